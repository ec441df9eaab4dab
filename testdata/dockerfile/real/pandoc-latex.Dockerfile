FROM pandoc/latex:3.5-ubuntu
RUN tlmgr update --self && tlmgr install \
    babel-german   \
    csquotes       \
    fvextra        \
    # for the title page
    pagecolor      \

    # tables
    multirow       \
    tabularray
COPY filters/*.lua /usr/local/share/pandoc/filters/
COPY templates /usr/local/share/pandoc/templates
WORKDIR /data
ENTRYPOINT ["/usr/local/bin/pandoc", "--pdf-engine=xelatex", "--data-dir=/usr/local/share/pandoc"]
