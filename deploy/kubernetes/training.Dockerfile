# The image of a training: this checkout and its packages. Build it from the checkout's root:
#   docker build -f deploy/kubernetes/training.Dockerfile -t nocturne-training:1 .
# For a pool with GPUs take an index that has torch for CUDA: --build-arg TORCH_INDEX=<its address>
FROM python:3.11-slim
ARG TORCH_INDEX=
WORKDIR /app
COPY pyproject.toml constraints.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then PIP_INDEX_URL="$TORCH_INDEX" pip install --no-cache-dir torch==2.13.0; fi \
    && pip install --no-cache-dir -c constraints.txt '.[cpu]'
COPY assets assets
COPY resources resources
COPY trainers trainers
COPY warehouse/contracts warehouse/contracts
COPY warehouse/seeds warehouse/seeds
ENV PYTHONDONTWRITEBYTECODE=1
