/** Addresses as people may see them. */

/** A URL without user name and password; what is no URL stays as it is. */
export function withoutUserinfo(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1");
}

/** A text in which no URL has a user name and password. */
export function hideUserinfo(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'@]*@/gi, "$1");
}
