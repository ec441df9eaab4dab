FROM rocker/shiny:4.4.1
RUN install2.r --error --skipinstalled \
    dplyr \
    ggplot2 \
    plotly \
    DT
RUN rm -rf /srv/shiny-server/*
COPY --chown=shiny:shiny app.R helpers.R /srv/shiny-server/
COPY ["data/2023 sales.csv", "data/2024 sales.csv", "/srv/shiny-server/data/"]
USER shiny
EXPOSE 3838
CMD ["/usr/bin/shiny-server"]
