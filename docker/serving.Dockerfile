# syntax=docker/dockerfile:1
# TensorFlow Serving with batching, metrics and health. The target mounted looks for the model in
# /models, baked has it inside:
#   docker build --file docker/serving.Dockerfile --target mounted --tag tfgan2/serving .
#   docker build --file docker/serving.Dockerfile --target baked \
#     --build-arg EXPORT_DIR=exports/digits --tag tfgan2/serving:digits .
ARG TF_SERVING_VERSION=2.20.0
FROM tensorflow/serving:${TF_SERVING_VERSION} AS mounted
# The server has no handler for SIGTERM, and the kernel keeps such signals from process 1.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/*
COPY serving/config/batching.config serving/config/monitoring.config /config/
EXPOSE 8500 8501
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/bin/tensorflow_model_server", \
  "--port=8500", "--rest_api_port=8501", \
  "--enable_batching", "--batching_parameters_file=/config/batching.config", \
  "--monitoring_config_file=/config/monitoring.config", "--enable_grpc_healthcheck_service"]
CMD ["--model_name=digits", "--model_base_path=/models/digits"]

FROM mounted AS baked
ARG EXPORT_DIR=exports/digits
COPY ${EXPORT_DIR} /models/digits
