import calendar
import datetime
import pathlib
import sys

DAYS = (pathlib.Path(__file__).parent / "days.txt").read_text(encoding="utf-8").split()


def describe(day: datetime.date) -> str:
    kind = "leap" if calendar.isleap(day.year) else "common"
    return f"{day} is a {DAYS[day.weekday()]}, day {day.timetuple().tm_yday} of a {kind} year"


def main() -> None:
    for word in sys.argv[1:] or [datetime.date.today().isoformat()]:
        print(describe(datetime.date.fromisoformat(word)))
