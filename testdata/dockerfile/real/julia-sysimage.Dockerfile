FROM julia:1.11 AS sysimg
ENV JULIA_DEPOT_PATH=/depot JULIA_CPU_TARGET="generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1)"
WORKDIR /proj
COPY Project.toml Manifest.toml ./
RUN julia --project -e 'using Pkg; Pkg.instantiate(); Pkg.precompile()'
COPY precompile.jl .
RUN julia --project -e 'using PackageCompiler; create_sysimage(; sysimage_path="/sys.so", precompile_execution_file="precompile.jl")'
FROM julia:1.11-bookworm
COPY --from=sysimg /depot /depot
COPY --from=sysimg /sys.so /
ENTRYPOINT ["julia", "-J/sys.so", "--project=/proj"]
