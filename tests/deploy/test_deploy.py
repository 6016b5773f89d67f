"""Files of deployment: they parse, call commands and metrics that exist, and give no more rights than are needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from monitor.cli import app
from monitor.config import Settings
from monitor.daemon.distributed import QUEUES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HEALTH = (ROOT / "monitor" / "web" / "health.py").read_text(encoding="utf-8")


def accepts(arguments: list[str]) -> None:
    """Fails unless the command line takes these words."""
    command: Any = get_command(app)
    name, *rest = arguments
    assert name in command.commands, arguments
    command.commands[name].make_context(name, list(rest), resilient_parsing=False)
    if "--queues" in rest and "$" not in rest[rest.index("--queues") + 1]:
        assert set(rest[rest.index("--queues") + 1].split(",")) <= set(QUEUES)


def variables(names: list[str]) -> None:
    """Fails for a MONITOR_ variable that is no setting: the monitor would refuse to start."""
    for name in names:
        if name.startswith("MONITOR_") and name not in {"MONITOR_CONFIG", "MONITOR_LOG"}:
            first = name.removeprefix("MONITOR_").lower().split("__")[0].removesuffix("_file")
            assert first in Settings.model_fields, name


def metrics() -> set[str]:
    found: set[str] = set()
    for kind, name in re.findall(r'(Gauge|Counter|Summary)MetricFamily\(\s*"(\w+)"', HEALTH):
        found |= {"Gauge": {name}, "Counter": {f"{name}_total"}, "Summary": {f"{name}_sum", f"{name}_count"}}[kind]
    return found


def test_compose() -> None:
    plan = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = plan["services"]
    assert set(services) == {"db", "periodic", "worker", "web"}
    assert services["worker"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        assert "no-new-privileges:true" in service["security_opt"]
        assert "healthcheck" in service or name == "web"  # the web's is the image's
        if name != "db":
            accepts(service["command"])
            variables(list(service["environment"]))
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] != "0"
        assert set(service["secrets"]) <= set(plan["secrets"])
    assert all(port.startswith("127.0.0.1:") for port in services["web"]["ports"])


def test_kubernetes() -> None:
    (plan,) = yaml.safe_load_all((DEPLOY / "kubernetes" / "monitor.yaml").read_text(encoding="utf-8"))
    deployments = [item for item in plan["items"] if item["kind"] == "Deployment"]
    assert {item["metadata"]["name"].removeprefix("monitor-") for item in deployments} == {
        "web", "periodic", "worker", "score"
    }  # fmt: skip
    for item in deployments:
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert item["spec"]["selector"]["matchLabels"] == labels
        pod = item["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False and pod["securityContext"]["runAsNonRoot"]
        assert pod["enableServiceLinks"] is False  # MONITOR_WEB_SERVICE_HOST would be an unknown setting
        (container,) = pod["containers"]
        accepts(container["args"])
        variables([one["name"] for one in container["env"]])
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    for path in ("/healthz", "/readyz"):
        assert f'@router.get("{path}")' in HEALTH


def test_dockerfile() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    final = text.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final and "/healthz" in final
    assert json.loads(final.split("ENTRYPOINT ")[1].splitlines()[0]) == ["monitor"]
    accepts(json.loads(final.split("\nCMD ")[1].splitlines()[0]))
    variables(re.findall(r"(MONITOR_\w+)=", final))
    copied = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
    for line in copied:
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (installed,) = re.findall(r'"\.\[([\w,]+)\]"', text)
    of_developers = {"train", "bench", "test", "browser", "audit", "lint"}
    assert set(installed.split(",")) == set(extras) - of_developers  # whatever a user may configure works in it
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"TORCH=([\d.]+)", text) == re.findall(r"^TORCH \?= ([\d.]+)", makefile, re.MULTILINE)


def test_the_image_is_made_of_named_folders_only() -> None:
    """Neither secrets nor history nor an environment of gigabytes are sent to who builds it."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()}
    assert ignored[0] == "*"
    assert {name.removeprefix("!") for name in ignored if name.startswith("!")} == copied


@pytest.mark.parametrize(("vulns", "code"), [([], 0), ([{"id": "CVE-1", "fix_versions": ["2.1"]}], 1), (None, 1)])
def test_an_audit_that_could_look_nothing_up_is_no_clean_one(vulns: list[dict[str, Any]] | None, code: int) -> None:
    skipped = {"name": "torch", "skip_reason": "not found"}
    packages = [skipped] if vulns is None else [skipped, {"name": "b", "version": "2.0", "vulns": vulns}]
    done = subprocess.run([sys.executable, ROOT / ".ci" / "audit"], input=json.dumps({"dependencies": packages}),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == code, done.stderr
    assert f"{len(packages) - 1} of {len(packages)} packages looked up" in done.stdout
    assert ("CVE-1, mended in 2.1" in done.stdout) == bool(vulns)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    assert (values["Type"], values["NotifyAccess"]) == ("notify", "main")
    assert int(values["WatchdogSec"]) > 2 * 10  # the daemon speaks every ten seconds
    assert values["ProtectSystem"] == "strict" and values["NoNewPrivileges"] == "yes" and values["User"] == "monitor"
    program, *arguments = values["ExecStart"].split()
    accepts([word.replace("${CONCURRENCY}", "4") for word in arguments])
    variables(re.findall(r"(?:^|[ =])(MONITOR_\w+)=", "\n".join(line for line in lines if line.startswith("Env"))))
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the unit was read, not verified")
    copy = tmp_path / unit.name.replace("@", "@1")
    copy.write_text(text.replace(program, shutil.which("true") or "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if unit.name.split(".")[0].split("@")[0] in line]
    assert about_it == []


def test_rules_and_dashboard_know_the_metrics() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    board = json.loads((DEPLOY / "grafana" / "monitor.json").read_text(encoding="utf-8"))
    texts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    texts += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    used = {name for text in texts for name in re.findall(r"monitor_\w+", text)}
    assert used <= metrics()
    assert len(used) >= 9
    assert all(rule["labels"]["severity"] in {"warning", "critical"} for rule in rules["groups"][0]["rules"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
