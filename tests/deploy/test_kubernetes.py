"""The manifests: rendered by kustomize, valid, and in step with what the service really does."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings
from tests.needs import need
from tests.servers import ROOT
from training.exit_codes import HELD_BACK

FOLDER = ROOT / "deploy" / "kubernetes"
HOW_TO = ROOT / "docs" / "how-to" / "kubernetes.md"
KUSTOMIZED = ("base", "overlays/local", "overlays/production")  # with the Deployment
FOLDERS = (*KUSTOMIZED, "kserve")
Resource = dict[str, Any]


@cache
def rendered(folder: str) -> tuple[Resource, ...]:
    command = [need("kubectl"), "kustomize", str(FOLDER / folder)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(yaml.safe_load_all(text))


def resource(folder: str, kind: str, name: str = "calories") -> Resource:
    named = (kind, name)
    [found] = [it for it in rendered(folder) if (it["kind"], it["metadata"]["name"]) == named]
    return found


def pods() -> Iterator[tuple[str, Resource]]:
    """Every pod's spec, and where it stands."""
    for folder in KUSTOMIZED:
        yield f"{folder} service", resource(folder, "Deployment")["spec"]["template"]["spec"]
        job = resource(folder, "CronJob", "calories-training")["spec"]["jobTemplate"]["spec"]
        yield f"{folder} training", job["template"]["spec"]
    yield "kserve", resource("kserve", "InferenceService")["spec"]["predictor"]


def containers() -> Iterator[tuple[str, Resource]]:
    for where, pod in pods():
        for container in pod["containers"]:
            yield f"{where} {container['name']}", container


def services() -> list[Resource]:
    """The container that runs the service, wherever it stands."""
    return [each for _, each in containers() if each["image"].startswith("calories-service")]


def settings(container: Resource) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", [])}


# Kinds that a cluster has only with an operator; their schemas are not Kubernetes' own.
FOREIGN = {"InferenceService", "ServiceMonitor"}


def oldest() -> str:
    """The oldest version that the how-to promises."""
    [promised] = re.findall(r"for Kubernetes ([\d.]+) and newer", HOW_TO.read_text())
    return str(promised)


@pytest.mark.parametrize("version", [oldest(), kubernetes_validate.latest_version()])
def test_every_rendered_manifest_is_valid(version: str) -> None:
    for folder in FOLDERS:
        checked = [each for each in rendered(folder) if each["kind"] not in FOREIGN]
        for each in checked:
            kubernetes_validate.validate(each, version, strict=True)
        assert len(checked) >= 4
    # What KServe makes a pod of.
    predictor = resource("kserve", "InferenceService")["spec"]["predictor"]
    kserves = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    spec = {name: value for name, value in predictor.items() if name not in kserves}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "calories"}, "spec": spec}
    kubernetes_validate.validate(pod, version, strict=True)


def test_everything_lies_in_one_namespace() -> None:
    for folder in FOLDERS:
        [namespace] = [each for each in rendered(folder) if each["kind"] == "Namespace"]
        others = [each for each in rendered(folder) if each is not namespace]
        assert {each["metadata"]["namespace"] for each in others} == {namespace["metadata"]["name"]}


def test_kserve_has_the_registry_and_training_and_nothing_of_the_deployment() -> None:
    kinds = sorted(each["kind"] for each in rendered("kserve"))
    policies = ["NetworkPolicy"] * 2
    assert kinds == ["CronJob", "InferenceService", "Namespace", *policies, "PersistentVolumeClaim"]
    assert resource("kserve", "NetworkPolicy", "calories-training")


def test_the_pods_that_kserve_makes_are_asked_at_their_port_and_ask_nobody() -> None:
    service = resource("kserve", "InferenceService")
    policy = resource("kserve", "NetworkPolicy", "calories-predictor")["spec"]
    [container] = service["spec"]["predictor"]["containers"]
    [rule] = policy["ingress"]
    # KServe gives each pod the name of its InferenceService as this label.
    assert policy["podSelector"]["matchLabels"] == {
        "serving.kserve.io/inferenceservice": service["metadata"]["name"]
    }
    assert [each["port"] for each in rule["ports"]] == [container["ports"][0]["containerPort"]]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []


def test_a_container_may_do_nothing_but_its_work_and_only_training_writes_the_registry() -> None:
    for where, container in containers():
        assert container["imagePullPolicy"] == "IfNotPresent", where  # an image in no registry
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, where
        assert container["resources"]["limits"]["memory"], where
        for mount in container["volumeMounts"]:
            if mount["name"] == "registry":
                assert mount.get("readOnly", False) is not where.endswith("training"), where


def test_a_pod_runs_as_the_images_user() -> None:
    [uid] = set(re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text()))
    for where, pod in pods():
        expected = {"runAsNonRoot": True, "runAsUser": int(uid), "fsGroup": int(uid)}
        assert pod["securityContext"].items() >= expected.items(), where
        assert pod["automountServiceAccountToken"] is False, where


def test_every_variable_is_a_setting_of_the_service() -> None:
    for container in services():
        names = {name.lower() for name in settings(container)}
        assert names <= set(Settings.model_fields)
        assert Settings.model_validate({k.lower(): v for k, v in settings(container).items()})


def test_clients_and_prometheus_meet_the_port_of_the_pod_where_the_service_listens() -> None:
    for container in services():
        assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default
    [container] = resource("base", "Deployment")["spec"]["template"]["spec"]["containers"]
    [port] = container["ports"]
    [service] = resource("base", "Service")["spec"]["ports"]
    [endpoint] = resource("overlays/production", "ServiceMonitor")["spec"]["endpoints"]
    assert service["targetPort"] == port["name"]
    assert endpoint["port"] == service["name"]
    for folder in KUSTOMIZED:
        [rule] = resource(folder, "NetworkPolicy")["spec"]["ingress"]
        assert [each["port"] for each in rule["ports"]] == [port["name"]]


def test_a_pod_is_given_longer_to_stop_than_the_service_takes() -> None:
    for where, pod in pods():
        for known in [settings(each) for each in pod["containers"] if each in services()]:
            stops = float(known["DRAIN_SECONDS"]) + float(known["GRACEFUL_SECONDS"])
            assert pod["terminationGracePeriodSeconds"] > stops, where


def test_readiness_is_seen_to_go_before_the_port_is_closed() -> None:
    for container in services():
        probe = container["readinessProbe"]
        noticed = int(probe["periodSeconds"]) * int(probe.get("failureThreshold", 3))
        assert float(settings(container)["DRAIN_SECONDS"]) > noticed


def test_probes_ask_what_the_service_answers() -> None:
    paths = {
        container[probe]["httpGet"]["path"]
        for container in services()
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        if probe in container
    }
    assert paths == {"/healthz", "/readyz", "/v2/health/ready", "/v2/health/live"}


def test_selectors_find_the_pods_of_the_deployment() -> None:
    for folder in KUSTOMIZED:
        labels = resource(folder, "Deployment")["spec"]["template"]["metadata"]["labels"]
        selectors = [
            resource(folder, "Service")["spec"]["selector"],
            resource(folder, "Deployment")["spec"]["selector"]["matchLabels"],
            resource(folder, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            resource(folder, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ]
        assert all(selector.items() <= labels.items() for selector in selectors)


def test_a_held_back_version_is_not_trained_again() -> None:
    job = resource("base", "CronJob", "calories-training")["spec"]["jobTemplate"]["spec"]
    [rule] = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [HELD_BACK]


def test_production_waives_no_key() -> None:
    pod = resource("overlays/production", "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    known = settings(container)
    assert "KEYS_FILE" in known
    assert not [name for name in known if "WAIVED" in name]
