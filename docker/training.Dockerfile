# syntax=docker/dockerfile:1
# Training, export and everything else, on NVIDIA GPUs; without one it runs on CPUs.
#   docker build --file docker/training.Dockerfile --tag tfgan2/training .
#   docker run --gpus all --mount type=bind,source=$PWD,target=/work tfgan2/training \
#     --recipe=digits_df_gan --data_dir=data/digits --run_dir=runs/digits
ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/tfgan2
COPY constraints.txt setup.py pyproject.toml ./
COPY tfgan2 tfgan2
COPY tools tools
COPY plain_text plain_text
COPY serving serving
# and-cuda brings the CUDA libraries that this TensorFlow was built against.
RUN pip install --no-cache-dir --constraint constraints.txt setuptools \
 && pip install --no-cache-dir --constraint constraints.txt --no-build-isolation \
      "tensorflow[and-cuda]" --editable ".[quickstart,emoji]"
RUN useradd --uid 1000 --create-home trainer
USER 1000:1000
WORKDIR /work
# SIGTERM reaches the program, which saves and ends; give it time: docker stop --time=120.
ENTRYPOINT ["python", "-m", "tfgan2.train"]
CMD ["--helpshort"]
