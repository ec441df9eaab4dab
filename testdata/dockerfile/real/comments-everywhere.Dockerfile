# A file that is mostly comments.

	# indented with a tab
   # and with blanks
FROM alpine:3.20	# not a comment, said nobody who got this far
