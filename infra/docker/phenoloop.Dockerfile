# The backend, its workers and sync: one image, three commands (see docker-compose.yml). Build it from the repository's root:
#   docker build --file infra/docker/phenoloop.Dockerfile --tag phenoloop:0.1.0 .
FROM python:3.11.14-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY pyproject.toml uv.lock ./
RUN uv sync --quiet --locked --no-dev --extra backend --no-install-project
COPY README.md LICENSE ./
COPY loc360 loc360
COPY phenoloop phenoloop
COPY ml_backend ml_backend
COPY sync sync
COPY training training
COPY serving serving
COPY configs/training.yaml configs/search.yaml configs/
RUN uv sync --quiet --locked --no-dev --extra backend --no-editable

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="phenoloop" \
      org.opencontainers.image.description="Label Studio backend, workers and sync of the phenotyping loop" \
      org.opencontainers.image.licenses="Apache-2.0"
# git: the Loc360 module is pushed to a remote; its key is the operator's to mount. Debian keeps one version of a release.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 phenoloop && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp phenoloop \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/cache/phenoloop
COPY --from=build /app/.venv /app/.venv
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HEALTH_URL=http://127.0.0.1:9090/health
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTH_URL'], timeout=4)"]
CMD ["python", "-m", "ml_backend"]
