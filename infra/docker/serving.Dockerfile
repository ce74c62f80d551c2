# SageMaker's serving container, for both models of the chain. Build it from the repository's root:
#   docker build --file infra/docker/serving.Dockerfile --tag phenoloop-serving:1 .
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /opt/build
RUN pip install --no-cache-dir uv==0.13.9
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
# cpu, or what the endpoint's instance type has: cu130, ...
ARG TORCH_BACKEND=cpu
COPY infra/environments/container.txt requirements.txt
RUN uv venv --quiet /opt/venv \
    && uv pip install --quiet --python /opt/venv/bin/python --torch-backend "$TORCH_BACKEND" --requirements requirements.txt

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="phenoloop-serving" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 phenoloop && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp phenoloop
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/program
COPY loc360 loc360
COPY serving serving
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/ping', timeout=4)"]
# SageMaker adds the argument `serve`.
ENTRYPOINT ["python", "-m", "serving"]
