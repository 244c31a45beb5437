"""What the deployment to Kubernetes refuses before it touches a cluster, and what it says to do."""

from pathlib import Path

from ..conftest import Generate

IMAGE = f"registry.example.com/my-service@sha256:{'0' * 64}"
DEPLOY = ("uv", "run", "--quiet", "--no-project", ".towpath/deploy.py")


def test_only_a_digest_a_known_overlay_and_a_known_context_are_deployed(generate: Generate, tmp_path: Path) -> None:
    project = generate(deploy="kubernetes")
    for variables, reason in (
        ({"IMAGE": "registry.example.com/my-service:1.0"}, "name the image by its digest"),
        ({"IMAGE": IMAGE, "DEPLOY_OVERLAY": "nowhere"}, "DEPLOY_OVERLAY names one of the folders"),
        ({"IMAGE": IMAGE, "DEPLOY_CONTEXT": "elsewhere", "KUBECONFIG": str(tmp_path / "none")}, "elsewhere"),
    ):
        settings = [f"{name}={value}" for name, value in variables.items()]
        refused = project.try_run("env", *settings, *DEPLOY)
        assert refused.returncode == 1, refused.stdout
        assert reason in refused.stdout
        assert "Traceback" not in refused.stdout
    assert not list((project.path / "deploy/kubernetes").glob(".release-*"))
