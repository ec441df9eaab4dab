FROM ubuntu:24.04
ARG LANGS="deu fra pol"
RUN apt-get update -y && \
	apt-get install -y --no-install-recommends \
		tesseract-ocr \
		# languages
		$(for l in ${LANGS}; do echo tesseract-ocr-$l; done) \
		ocrmypdf unpaper && rm -rf /var/lib/apt/lists/*
ADD --chmod=644 https://github.com/tesseract-ocr/tessdata_best/raw/4.1.0/eng.traineddata /usr/share/tesseract-ocr/5/tessdata/
USER 1000:100
WORKDIR /docs
ENTRYPOINT ["/usr/bin/ocrmypdf", "--language", "eng+${LANGS}"]
