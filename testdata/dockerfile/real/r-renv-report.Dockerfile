FROM rocker/r-ver:4.3.3 AS restore
ENV RENV_PATHS_CACHE=/renv/cache RENV_CONFIG_REPOS_OVERRIDE=https://packagemanager.posit.co/cran/__linux__/jammy/2024-11-01
RUN Rscript -e 'install.packages("renv", repos = c(CRAN = Sys.getenv("RENV_CONFIG_REPOS_OVERRIDE")))'
WORKDIR /report
COPY renv.lock .Rprofile ./
COPY renv/activate.R renv/settings.json renv/
RUN --mount=type=cache,id=renv-4.3,target=/renv/cache,mode=0777 R --vanilla -s -e "renv::restore(); renv::isolate()"

FROM restore AS render
COPY . .
RUN <<"R" Rscript --vanilla -
options(warn = 2)
rmarkdown::render("report.Rmd", output_dir = "/out", params = list(
  quarter = Sys.getenv("QUARTER", "2024Q3"),
  dollars = "$total"
))
R
FROM scratch
COPY --from=render /out /
