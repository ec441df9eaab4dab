FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y gnucobol4 && rm -rf /var/lib/apt/lists/*
COPY <<'PAYROLL' /src/payroll.cob
       IDENTIFICATION DIVISION.
       PROGRAM-ID. PAYROLL.
       PROCEDURE DIVISION.
           DISPLAY "$$ TOTAL".
           STOP RUN.
PAYROLL
RUN cobc -x -o /usr/local/bin/payroll /src/payroll.cob
CMD ["payroll"]
