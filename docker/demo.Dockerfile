# syntax=docker/dockerfile:1
# The page of a model; it holds no TensorFlow.
#   docker build --file docker/demo.Dockerfile --tag tfgan2/demo .
#   docker run -p 8888:8888 tfgan2/demo --target=host.docker.internal:8500 --model=digits
ARG PYTHON_VERSION=3.11
FROM python:${PYTHON_VERSION}-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/tfgan2
COPY constraints.txt ./
# The extra `demo` of setup.py, without what the package itself needs.
RUN pip install --no-cache-dir --constraint constraints.txt \
      absl-py grpcio h11 numpy protobuf starlette uvicorn
COPY serving/__init__.py serving/program.py serving/child_server.py serving/
COPY serving/http_server.py serving/http_connections.py serving/
COPY serving/wire serving/wire
COPY serving/client serving/client
COPY serving/demo serving/demo
USER 65534:65534
EXPOSE 8888
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", \
  "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8888/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "serving.demo"]
CMD ["--target=serving:8500", "--model=digits", "--port=8888"]
