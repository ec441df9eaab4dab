FROM rockylinux:9 \
  AS base
ENV \
	A=1 \   
	B=2\
C=3 \

	# D=4 \
	E="five \
six"
RUN echo one \\
RUN echo 'two \
three' \
four ; echo fi\
ve
RUN \
# nothing but comments

# and blanks

  true
CMD ["a", \
 "b" \
 # , "c"
 ]
EXPOSE 1 \
2
LABEL a=b \ c=d
SHELL ["/bin/bash", \
  "-c" ]
RUN a \
\
b
RUN end of file \
