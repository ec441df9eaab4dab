FROM registry.gitlab.com/islandoftex/images/texlive:TL2024-2024-10-27-full AS pdf
WORKDIR /thesis
COPY --parents thesis.tex ./chapters/*.tex ./figures/**/*.pdf bib/./*.bib ./
RUN latexmk -pdf -interaction=nonstopmode -halt-on-error thesis.tex 2>&1 | tee build.log ; grep -c 'Overfull' build.log > overfull || :
FROM scratch
COPY --from=pdf [ "/thesis/thesis.pdf", "/thesis/overfull", "/" ]
