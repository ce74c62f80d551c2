# SageMaker's container for preprocessing, training and evaluation. Build it from the repository's root:
#   docker build --file infra/docker/training.Dockerfile --tag phenoloop-training:1 .
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /opt/build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
# cpu, or what the training's instance type has: cu130, ...
ARG TORCH_BACKEND=cpu
COPY infra/environments/training.txt requirements.txt
RUN uv venv --quiet /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --torch-backend "$TORCH_BACKEND" --requirements requirements.txt

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="phenoloop-training" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/program
COPY loc360 loc360
COPY serving serving
COPY training training
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Without USER: SageMaker mounts /opt/ml for root, alone on a machine of the job's own.
# It adds the argument `train`, and runs processing jobs with an entry point of their own.
ENTRYPOINT ["python", "-m", "training"]
