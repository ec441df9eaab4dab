/** Times of HTTP headers. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)";
const CLOCK = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)";

/** The three forms of RFC 9110, 5.6.7; no others, as Go's http.ParseTime. */
const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) (?<month>[A-Z][a-z]{2}) (?<year>\\d{4}) ${CLOCK} GMT$`),
  new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-(?<month>[A-Z][a-z]{2})-(?<year>\\d\\d) ${CLOCK} (?:GMT|UTC)$`),
  new RegExp(`^${DAY} (?<month>[A-Z][a-z]{2}) (?<day>[ \\d]\\d) ${CLOCK} (?<year>\\d{4})$`),
];

/** Seconds since 1970 (negative before), or undefined for what is no time in one of HTTP's forms. */
export function parseHttpDate(text: string): number | undefined {
  const groups = FORMS.map((form) => form.exec(text)?.groups).find((found) => found !== undefined);
  if (groups === undefined) return undefined;
  const [year, day, hour, minute, second] = [groups.year!, groups.day!, groups.hour!, groups.minute!, groups.second!];
  const fullYear = year.length === 4 ? Number(year) : Number(year) + (Number(year) >= 69 ? 1900 : 2000);
  const month = MONTHS.indexOf(groups.month!);
  const date = new Date(0);
  date.setUTCFullYear(fullYear, month, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  // A 30th of February, or an hour 25, would have rolled over.
  const isSame = date.getUTCMonth() === month && date.getUTCDate() === Number(day);
  const isClock = Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60;
  return isSame && isClock ? date.getTime() / 1000 : undefined;
}
