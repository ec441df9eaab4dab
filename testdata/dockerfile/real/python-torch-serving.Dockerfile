# escape=\
FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime AS base
ENV HF_HOME=/models TRANSFORMERS_OFFLINE=1
RUN --mount=type=cache,target=/root/.cache/pip pip install torchserve==0.12.0 transformers==4.46.2 accelerate==1.1.1

FROM base AS weights
ENV TRANSFORMERS_OFFLINE=0
ARG MODEL=distilbert/distilbert-base-uncased
ARG REVISION=main
RUN --mount=type=secret,id=hf,env=HF_TOKEN <<PY python3
import os
from huggingface_hub import snapshot_download
snapshot_download(os.environ["MODEL"], revision=os.environ["REVISION"], token=os.environ.get("HF_TOKEN") or None)
PY

FROM base AS archive
WORKDIR /mar
COPY handler.py index_to_name.json ./
COPY --from=weights /models /models
RUN torch-model-archiver --model-name text --version 1.0 --handler handler.py --extra-files index_to_name.json --export-path /mar

FROM base
COPY --from=weights --link /models /models
COPY --from=archive --link /mar/text.mar /home/model-server/model-store/
EXPOSE 8080-8082 7070 7071
CMD ["torchserve", "--start", "--foreground", "--model-store", "/home/model-server/model-store", "--models", "text=text.mar"]
