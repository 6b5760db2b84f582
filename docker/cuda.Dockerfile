# ganaug for NVIDIA GPUs. Built from the repository's top folder:
#   docker build --file docker/cuda.Dockerfile --tag ganaug:cuda .
FROM python:3.11-slim

# DVC's experiments, and `ganaug init`, need git. Debian keeps one version of it: there is none to name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

# PyPI's builds for Linux bring the CUDA libraries as packages, so the host has to have nothing but NVIDIA's driver and
# container toolkit. A base image with CUDA in it would hold these libraries twice. A layer of its own, for it is large.
RUN pip install --no-cache-dir torch==2.14.1 torchvision==0.29.1

COPY pyproject.toml README.md CHANGELOG.md LICENSE /src/
COPY ganaug /src/ganaug
RUN pip install --no-cache-dir "/src[parquet]" && rm -r /src

RUN useradd --create-home --uid 1000 ganaug && install --directory --owner ganaug /project
USER ganaug
WORKDIR /project
VOLUME /project
ENTRYPOINT ["ganaug"]
CMD ["--help"]
