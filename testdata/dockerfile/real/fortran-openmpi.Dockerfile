FROM debian:bookworm AS mpi
RUN apt-get update && apt-get install -y gfortran libopenmpi-dev openmpi-bin
COPY *.f90 Makefile /src/
WORKDIR /src
RUN make FC=mpif90 FFLAGS='-O3 -march=x86-64-v2 -fopenmp'
ENV OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ENTRYPOINT ["mpirun", "--oversubscribe", "-np"]
CMD ["4", "./heat"]
