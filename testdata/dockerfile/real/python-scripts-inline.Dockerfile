FROM python:3.12-alpine
RUN <<EOF python3 > /etc/primes && sort -rn /etc/primes | head -3 && cat 3<<TAIL <&3
for n in range(2, 100):
    if all(n % d for d in range(2, n)):
        print(n)
EOF
  the end
TAIL
RUN <<'#1' cat >/a && <<"#2" cat >/b
first $HOME
#1
second $HOME
#2
RUN awk '{ print $1 << 2 }' /a || echo $((1<<4)) > /c
RUN echo '<<EOF' && echo "<<EOF" && cat <<\EOF
not \expanded
EOF
COPY <<"a_b" <<''c'd' "/dest dir/"
blank in the name
a_b
odd quotes
cd
CMD ["cat", "/a", "/b", "/c"]
