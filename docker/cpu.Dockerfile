# ganaug for machines without a GPU. Built from the repository's top folder:
#   docker build --file docker/cpu.Dockerfile --tag ganaug:cpu .
FROM python:3.11-slim

# DVC's experiments, and `ganaug init`, need git. Debian keeps one version of it: there is none to name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

# PyTorch's own builds without CUDA, in a layer of their own: a change of ganaug leaves it as it is.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch==2.14.1 torchvision==0.29.1

COPY pyproject.toml README.md CHANGELOG.md LICENSE /src/
COPY ganaug /src/ganaug
RUN pip install --no-cache-dir "/src[parquet]" && rm -r /src

RUN useradd --create-home --uid 1000 ganaug && install --directory --owner ganaug /project
USER ganaug
WORKDIR /project
VOLUME /project
ENTRYPOINT ["ganaug"]
CMD ["--help"]
