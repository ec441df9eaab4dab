# One page: the first line is the title, empty lines part paragraphs.
BEGIN { RS = ""; FS = "\n" }
function escape(text) {
  gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
  return text
}
NR == 1 { title = escape($1); next }
{ body = body "<p>" escape($0) "</p>\n" }
END {
  RS = "\n"
  while ((getline line < template) > 0) {
    if (line ~ /@BODY@/) printf "%s", body
    else { sub(/@TITLE@/, title, line); print line }
  }
}
