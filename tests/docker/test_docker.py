"""Paths, flags, ports and versions in docker/ exist in this repository; no engine runs here."""

import functools
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest
import setuptools
import yaml

from tests import programs
from tests.docker import dockerfiles

ROOT = pathlib.Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
MANIFESTS = sorted(DOCKER.glob("kubernetes/*.yaml"))
GRPC_PORT, REST_PORT, PAGE_PORT = 8500, 8501, 8888
KSERVE_PORT = 9000  # The port in KServe's own arguments.
# Folders that commands of this repository write and a build context includes.
WRITTEN = {"exports/digits"}
MODEL_SERVER = "/usr/bin/tensorflow_model_server"


@functools.cache
def flags_of(module: str) -> frozenset[str]:
    """Names of the flags of a program."""
    text = programs.run(module, "--helpxml").stdout
    tree = ElementTree.fromstring(text[text.index("<?xml") :])
    return frozenset(str(flag.findtext("name")) for flag in tree.iter("flag"))


def flags(words: list[str]) -> set[str]:
    return {word[2:].partition("=")[0] for word in words if re.match(r"--\w", word)}


def value(words: list[str], flag: str) -> str:
    (found,) = [word.partition("=")[2] for word in words if word.startswith(f"--{flag}=")]
    return found


def pinned(package: str) -> str:
    found = re.search(rf"^{package}==([0-9.]+)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert found
    return found[1]


def command(path: pathlib.Path) -> list[str]:
    """The command of a container: the last ENTRYPOINT and CMD."""
    last = {instruction.name: instruction for instruction in dockerfiles.parse(path)}
    for name in ("ENTRYPOINT", "CMD"):
        assert last[name].value.startswith("["), "the exec form, so that SIGTERM arrives"
    return [*last["ENTRYPOINT"].words, *last["CMD"].words]


def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]


def documents() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in documents() if one["kind"] == kind}


def check_source(source: str) -> None:
    assert source in WRITTEN or (ROOT / source).exists(), source


def check_image(image: str) -> None:
    """Asserts that the tag of an image is pinned, or named in docs/docker.md."""
    name, _, tag = image.partition(":")
    if name == "tensorflow/serving":
        assert tag == pinned("tensorflow")
    elif name == "python":
        version = re.match(r"3\.(\d+)-slim-bookworm$", tag)
        assert version
        assert 10 <= int(version[1]) <= 13
    elif name.startswith("tfgan2/"):
        assert (DOCKER / f"{name.removeprefix('tfgan2/')}.Dockerfile").exists()
    else:
        assert f"`{image}`" in (ROOT / "docs" / "docker.md").read_text()


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_paths_of_a_dockerfile_exist(path: pathlib.Path) -> None:
    instructions = dockerfiles.parse(path)
    stages: set[str] = set()
    for instruction in instructions:
        words = instruction.words
        if instruction.name == "FROM":
            if words[0] not in stages:
                check_image(words[0])
            stages.update(words[2:])
        elif instruction.name == "COPY":
            for source in words[:-1]:
                check_source(source)
    # The commands in the head of the file build the image.
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"--file docker/{path.name}" in line for line in head)
    targets = re.findall(r"--target (\w+)", "\n".join(head))
    assert set(targets) <= stages


def test_flags_of_the_model_server_exist() -> None:
    words = command(DOCKER / "serving.Dockerfile")
    assert words[:3] == ["/usr/bin/tini", "--", MODEL_SERVER]
    assert flags(words) <= flags_of("serving.server")
    assert (value(words, "port"), value(words, "rest_api_port")) == (str(GRPC_PORT), str(REST_PORT))
    copied = copies(DOCKER / "serving.Dockerfile")
    for flag in ("batching_parameters_file", "monitoring_config_file"):
        source = copied[value(words, flag)]
        assert (ROOT / source).read_text()
    assert value(words, "model_base_path") in copied  # Copied by the stage baked.


def copies(path: pathlib.Path) -> dict[str, str]:
    """Sources in the repository by paths in the image."""
    placed = {}
    for instruction in dockerfiles.parse(path):
        if instruction.name == "COPY":
            *sources, target = instruction.words
            for source in sources:
                whole = target + pathlib.Path(source).name if target.endswith("/") else target
                placed[whole] = source
    return placed


def test_demo_image_has_every_module_of_the_page(tmp_path: pathlib.Path) -> None:
    for source in copies(DOCKER / "demo.Dockerfile").values():
        copied = tmp_path / source
        copied.parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copyfile
        copy(ROOT / source, copied)
    code = (
        "import sys, serving.demo.__main__\n"
        "for name, module in sorted(sys.modules.items()):\n"
        "    if name.partition('.')[0] == 'serving':\n"
        "        print(module.__file__)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = [pathlib.Path(line) for line in ended.stdout.splitlines()]
    assert tmp_path / "serving/demo/__main__.py" in loaded
    assert [path for path in loaded if not path.is_relative_to(tmp_path)] == []


def test_flags_of_the_programs_exist() -> None:
    for name, module in (("training", "tfgan2.train"), ("demo", "serving.demo")):
        words = command(DOCKER / f"{name}.Dockerfile")
        assert words[:3] == ["python", "-m", module]
        assert flags(words) - {"helpshort"} <= flags_of(module)
    head = (DOCKER / "training.Dockerfile").read_text()
    assert flags(head.split()) >= {"recipe", "data_dir", "run_dir"}
    assert {"data_dir", "run_dir"} <= flags_of("tfgan2.train")
    (recipe,) = re.findall(r"--recipe=(\w+)", head)
    check_source(f"tfgan2/recipes/{recipe}.flags")


def test_demo_image_installs_the_packages_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    (installing,) = [
        instruction.words
        for instruction in dockerfiles.parse(DOCKER / "demo.Dockerfile")
        if instruction.name == "RUN"
    ]
    installed = set(installing[installing.index("constraints.txt") + 1 :])
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    assert installed == {re.split(r"[<>=]", need)[0] for need in given["extras_require"]["demo"]}


def test_exposed_ports_are_those_of_the_programs() -> None:
    exposed = {
        path.stem: [
            port
            for instruction in dockerfiles.parse(path)
            if instruction.name == "EXPOSE"
            for port in instruction.words
        ]
        for path in DOCKERFILES
    }
    assert exposed == {
        "training": [],
        "serving": [str(GRPC_PORT), str(REST_PORT)],
        "demo": [str(PAGE_PORT)],
    }


def test_paths_flags_and_images_of_compose_exist() -> None:
    services = compose()
    for service in services.values():
        check_image(service["image"])
        if "build" in service:
            build = service["build"]
            assert (DOCKER / build["context"]).resolve() == ROOT
            stages = dockerfiles.parse(ROOT / build["dockerfile"])
            names = {one.words[2] for one in stages if one.name == "FROM" and len(one.words) > 2}
            assert {build["target"]} <= names if "target" in build else True
        for volume in service.get("volumes", []):
            source = (DOCKER / volume["source"]).resolve().relative_to(ROOT)
            check_source(str(source))
            assert volume["read_only"]
        assert set(service.get("depends_on", {})) <= set(services)
    serving, demo = services["serving"]["command"], services["demo"]["command"]
    assert flags(serving) <= flags_of("serving.server")
    assert flags(demo) <= flags_of("serving.demo")
    assert value(demo, "target") == f"serving:{GRPC_PORT}"
    assert value(demo, "model") == value(serving, "model_name")
    mounted = {volume["target"] for volume in services["serving"]["volumes"]}
    assert value(serving, "model_base_path") in mounted
    published = {name: service["ports"] for name, service in services.items()}
    assert published == {
        "serving": [f"{GRPC_PORT}:{GRPC_PORT}", f"{REST_PORT}:{REST_PORT}"],
        "demo": [f"{PAGE_PORT}:{PAGE_PORT}"],
        "prometheus": ["9090:9090"],
    }


def test_prometheus_reads_the_configured_metrics_path() -> None:
    (job,) = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    monitoring = (ROOT / "serving" / "config" / "monitoring.config").read_text()
    assert f'path: "{job["metrics_path"]}"' in monitoring
    assert job["static_configs"] == [{"targets": [f"serving:{REST_PORT}"]}]
    annotations = of_kind("Deployment")["digits-serving"]["spec"]["template"]["metadata"]
    assert annotations["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(REST_PORT),
        "prometheus.io/path": job["metrics_path"],
    }


@pytest.mark.parametrize("name", ["digits-serving", "digits-demo"])
def test_deployment_matches_its_service_and_its_program(name: str) -> None:
    deployment, service = of_kind("Deployment")[name]["spec"], of_kind("Service")[name]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == service["selector"] == labels
    (container,) = deployment["template"]["spec"]["containers"]
    check_image(container["image"])
    module = {"digits-serving": "serving.server", "digits-demo": "serving.demo"}[name]
    assert flags(container["args"]) <= flags_of(module)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    expected = {"grpc": GRPC_PORT, "rest": REST_PORT}
    assert ports == (expected if module == "serving.server" else {"http": PAGE_PORT})
    assert {port["targetPort"] for port in service["ports"]} == set(ports)
    probes = [container[key] for key in container if key.endswith("Probe")]
    assert len(probes) >= 2
    for probe in probes:
        (port,) = [probe[way]["port"] for way in ("httpGet", "tcpSocket", "grpc") if way in probe]
        assert port in ports or port in ports.values()
    assert {"requests", "limits"} == set(container["resources"])
    waits_seconds = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert waits_seconds < deployment["template"]["spec"]["terminationGracePeriodSeconds"]


def test_probes_use_existing_endpoints() -> None:
    deployments = of_kind("Deployment")
    (serving,) = deployments["digits-serving"]["spec"]["template"]["spec"]["containers"]
    model = value(serving["args"], "model_name")
    assert serving["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{model}"
    assert value(serving["args"], "model_base_path").endswith(f"/{model}")
    # The image enables the health service for the other probe.
    assert "enable_grpc_healthcheck_service" in flags(command(DOCKER / "serving.Dockerfile"))
    (demo,) = deployments["digits-demo"]["spec"]["template"]["spec"]["containers"]
    assert demo["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert value(demo["args"], "target") == f"dns:///digits-serving:{GRPC_PORT}"
    assert of_kind("Service")["digits-serving"]["spec"]["clusterIP"] == "None"


def test_kserve_runs_the_pinned_server() -> None:
    model = of_kind("InferenceService")["digits"]["spec"]["predictor"]["model"]
    assert model["runtimeVersion"] == pinned("tensorflow")
    assert flags(model["args"]) <= flags_of("serving.server")
    assert model["ports"] == [{"name": "h2c", "protocol": "TCP", "containerPort": KSERVE_PORT}]
    assert {"requests", "limits"} == set(model["resources"])


def test_every_file_is_checked_and_documented_as_not_run() -> None:
    checked = {*DOCKERFILES, *MANIFESTS, DOCKER / "compose.yaml", DOCKER / "prometheus.yml"}
    assert {path for path in DOCKER.rglob("*") if path.is_file()} == checked
    text = (ROOT / "docs" / "docker.md").read_text()
    for path in checked:
        assert path.name in text
    assert "have not been run" in text
