ARG FUNCTION_DIR="/function"

FROM python:3.12-bookworm AS build-image
ARG FUNCTION_DIR
RUN mkdir -p ${FUNCTION_DIR}
COPY src/ ${FUNCTION_DIR}
RUN pip install --target ${FUNCTION_DIR} awslambdaric boto3

FROM public.ecr.aws/lambda/python:3.12
COPY --from=build-image ${FUNCTION_DIR} ${LAMBDA_TASK_ROOT}
CMD [ "handler.main" ]
