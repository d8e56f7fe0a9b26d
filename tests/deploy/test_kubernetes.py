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


def spec(folder: str, kind: str, name: str = "calories") -> Resource:
    return dict(resource(folder, kind, name)["spec"])


def pods() -> Iterator[tuple[str, Resource]]:
    """Every pod's spec, and where it stands."""
    for folder in KUSTOMIZED:
        yield f"{folder} service", spec(folder, "Deployment")["template"]["spec"]
        job = spec(folder, "CronJob", "calories-training")["jobTemplate"]["spec"]
        yield f"{folder} training", job["template"]["spec"]
    yield "kserve", spec("kserve", "InferenceService")["predictor"]


def services() -> Iterator[tuple[Resource, Resource, dict[str, str]]]:
    """Every pod that runs the service, its container, and the settings that it is given."""
    for _, pod in pods():
        for container in pod["containers"]:
            if container["image"].startswith("calories-service"):
                given = {each["name"]: each["value"] for each in container.get("env", [])}
                yield pod, container, given


# Kinds that a cluster has only with an operator; their schemas are not Kubernetes' own.
FOREIGN = {"InferenceService", "ServiceMonitor"}


[OLDEST] = re.findall(r"for Kubernetes ([\d.]+) and newer", HOW_TO.read_text())


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_every_rendered_manifest_is_valid(version: str) -> None:
    for folder in FOLDERS:
        checked = [each for each in rendered(folder) if each["kind"] not in FOREIGN]
        for each in checked:
            kubernetes_validate.validate(each, version, strict=True)
        assert len(checked) >= 4
    predictor = spec("kserve", "InferenceService")["predictor"]  # which KServe makes a pod of
    kserves = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    of_pod = {name: value for name, value in predictor.items() if name not in kserves}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "calories"}, "spec": of_pod}
    kubernetes_validate.validate(pod, version, strict=True)


def test_everything_lies_in_one_namespace() -> None:
    for folder in FOLDERS:
        [namespace] = [each for each in rendered(folder) if each["kind"] == "Namespace"]
        others = [each for each in rendered(folder) if each is not namespace]
        assert {each["metadata"]["namespace"] for each in others} == {namespace["metadata"]["name"]}


def test_kserve_has_the_registry_and_training_and_its_pods_are_asked_at_their_port_alone() -> None:
    kinds = sorted(each["kind"] for each in rendered("kserve"))
    policies = ["NetworkPolicy"] * 2
    assert kinds == ["CronJob", "InferenceService", "Namespace", *policies, "PersistentVolumeClaim"]
    policy = spec("kserve", "NetworkPolicy", "calories-predictor")
    [container] = spec("kserve", "InferenceService")["predictor"]["containers"]
    [rule] = policy["ingress"]
    # KServe gives each pod the name of its InferenceService as this label.
    named = resource("kserve", "InferenceService")["metadata"]["name"]
    assert policy["podSelector"]["matchLabels"] == {"serving.kserve.io/inferenceservice": named}
    assert [each["port"] for each in rule["ports"]] == [container["ports"][0]["containerPort"]]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []


def test_a_pod_has_the_images_user_and_no_rights_and_only_training_writes_the_registry() -> None:
    [uid] = set(re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text()))
    own = {"runAsNonRoot": True, "runAsUser": int(uid), "fsGroup": int(uid)}
    for where, pod in pods():
        assert pod["securityContext"].items() >= own.items(), where
        assert pod["automountServiceAccountToken"] is False, where
        for container in pod["containers"]:
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


def test_every_variable_is_a_setting_of_the_service() -> None:
    for _, _, given in services():
        assert {name.lower() for name in given} <= Settings.model_fields.keys()
        assert Settings.model_validate({name.lower(): value for name, value in given.items()})


def test_clients_and_prometheus_meet_the_port_of_the_pod_where_the_service_listens() -> None:
    for _, container, _ in services():
        assert container["ports"][0]["containerPort"] == Settings.model_fields["port"].default
    [container] = spec("base", "Deployment")["template"]["spec"]["containers"]
    [port] = container["ports"]
    [service] = spec("base", "Service")["ports"]
    [endpoint] = spec("overlays/production", "ServiceMonitor")["endpoints"]
    assert (service["targetPort"], endpoint["port"]) == (port["name"], service["name"])
    for folder in KUSTOMIZED:
        [rule] = spec(folder, "NetworkPolicy")["ingress"]
        assert [each["port"] for each in rule["ports"]] == [port["name"]]


def test_a_pod_has_longer_to_stop_than_the_service_takes_and_is_seen_to_leave_before() -> None:
    for pod, container, given in services():
        drain, probe = float(given["DRAIN_SECONDS"]), container["readinessProbe"]
        assert pod["terminationGracePeriodSeconds"] > drain + float(given["GRACEFUL_SECONDS"])
        assert drain > int(probe["periodSeconds"]) * int(probe.get("failureThreshold", 3))


def test_probes_ask_what_the_service_answers() -> None:
    names = ("startupProbe", "livenessProbe", "readinessProbe")
    probes = [it[name] for _, it, _ in services() for name in names if name in it]
    asked = {probe["httpGet"]["path"] for probe in probes}
    assert asked == {"/healthz", "/readyz", "/v2/health/ready", "/v2/health/live"}


def test_selectors_find_the_pods_of_the_deployment() -> None:
    for folder in KUSTOMIZED:
        labels = spec(folder, "Deployment")["template"]["metadata"]["labels"]
        selectors = [
            spec(folder, "Service")["selector"],
            spec(folder, "Deployment")["selector"]["matchLabels"],
            spec(folder, "PodDisruptionBudget")["selector"]["matchLabels"],
            spec(folder, "NetworkPolicy")["podSelector"]["matchLabels"],
        ]
        assert all(selector.items() <= labels.items() for selector in selectors)


def test_a_held_back_version_is_not_trained_again() -> None:
    job = spec("base", "CronJob", "calories-training")["jobTemplate"]["spec"]
    [rule] = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [HELD_BACK]


def test_production_waives_no_key() -> None:
    [container] = spec("overlays/production", "Deployment")["template"]["spec"]["containers"]
    known = [each["name"] for each in container["env"]]
    assert "KEYS_FILE" in known
    assert not [name for name in known if "WAIVED" in name]
