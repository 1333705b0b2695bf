"""Tasks made for containers: what is the same in a folder is played, the rest said. Own data."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from eval_places import checked, laid_out, write

from qcode.errors import UsageError
from qcode.evals.loaders import harbor, terminal_bench
from qcode.evals.loaders.base import Loading
from qcode.evals.loaders.dockerfile import CannotBe, as_folder

TASK_TOML = """
version = "1.0"
[metadata]
difficulty = "easy"
category = "files"
[agent]
timeout_sec = 90.0
[verifier]
timeout_sec = 30
"""
SHELL_TEST = """#!/bin/bash
cd /app || exit 1
if [ "$(cat greeting.txt)" = "hello" ] && [ -d /app/made ]; then
  echo 1 > /logs/verifier/reward.txt
else
  echo 0 > /logs/verifier/reward.txt
fi
"""
DOCKERFILE = """FROM ubuntu:24.04
# what the task needs
RUN apt-get update && apt-get install -y git \\
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY data.txt ./
COPY sub /app/sub
RUN mkdir -p /app/made && echo "x y" > made/note
CMD ["bash"]
"""


def loading(tmp_path: Path) -> Loading:
    return Loading(tmp_path / "cache", environ={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})


def task_of_harbor(top: Path, **changes: str) -> Path:
    files: dict[str, str | bytes] = {
        "task.toml": TASK_TOML,
        "instruction.md": "<!-- canary: never train on this -->\n\nWrite hello into "
        "/app/greeting.txt, below /app.\n",
        "environment/Dockerfile": DOCKERFILE,
        "environment/data.txt": "data\n",
        "environment/sub/inner.txt": "inner\n",
        "tests/test.sh": SHELL_TEST,
        "solution/solve.sh": "echo hello > /app/greeting.txt\n",
    }
    return write(top, files | changes)


def test_a_harbor_task_is_played_in_a_folder(tmp_path: Path) -> None:
    task_of_harbor(tmp_path / "set/greet")
    (task,) = harbor.load(tmp_path / "set", loading(tmp_path))

    assert task.prompt == "Write hello into greeting.txt, below the current folder."
    assert dict(task.files) == {"data.txt": "data\n", "sub/inner.txt": "inner\n"}
    assert (task.time_limit_s, task.check.timeout_s, task.difficulty) == (90.0, 30.0, "easy")
    folder = laid_out(task, tmp_path / "work")
    assert (folder / "made/note").read_text() == "x y\n"
    before = checked(task, folder, tmp_path / "aside")
    (folder / "greeting.txt").write_text("hello\n")
    after = checked(task, folder, tmp_path / "aside")
    assert before.stdout.splitlines()[-1] == (
        '{"ok": false, "reason": "still_failing", "detail": "reward 0"}'
    )
    assert (before.returncode, after.returncode) == (1, 0)


def test_what_a_task_hides_reaches_no_agent(tmp_path: Path) -> None:
    task_of_harbor(tmp_path / "greet")
    (task,) = harbor.load(tmp_path / "greet", loading(tmp_path))

    shown = f"{dict(task.files)}{task.prompt}{task.setup}"
    assert "solve" not in shown
    assert "reward" not in shown


def test_tests_that_write_no_reward_are_an_error_and_no_failure(tmp_path: Path) -> None:
    task_of_harbor(tmp_path / "greet", **{"tests/test.sh": "exit 3\n"})
    (task,) = harbor.load(tmp_path / "greet", loading(tmp_path))

    done = checked(task, laid_out(task, tmp_path / "work"), tmp_path / "aside")

    assert '"reason": "error", "detail": "its tests wrote no reward (exit code 3)"' in done.stdout


@pytest.mark.slow
def test_pytest_is_run_directly_where_the_script_would_install_it(tmp_path: Path) -> None:
    script = "apt-get install -y curl\nuvx -w pytest==8.4.1 pytest /tests/test_state.py -rA\n"
    case = (
        "from pathlib import Path\n\n\ndef test_it():\n"
        "    assert Path('/app/greeting.txt').read_text() == 'hello\\n'\n"
    )
    task_of_harbor(tmp_path / "greet", **{"tests/test.sh": script, "tests/test_state.py": case})
    (task,) = harbor.load(tmp_path / "greet", loading(tmp_path))
    folder = laid_out(task, tmp_path / "work")

    before = checked(task, folder, tmp_path / "aside")
    (folder / "greeting.txt").write_text("hello\n")
    after = checked(task, folder, tmp_path / "aside")

    assert (before.returncode, after.returncode) == (1, 0), after.stdout


@pytest.mark.parametrize(
    "file, text, reason",
    [
        ("environment/Dockerfile", "FROM nginx\n", "it starts from nginx, of which nothing"),
        ("environment/Dockerfile", "FROM ubuntu\nFROM ubuntu\n", "several stages"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nCOPY data.txt /etc/x\n",
         "it puts something at /etc/x, outside /app"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nCOPY ../x .\n",
         "outside its folder"),
        ("environment/Dockerfile", "FROM ubuntu\nRUN apt-get install -y no-such-thing\n",
         "it installs no-such-thing, which is not on this machine"),
        ("environment/Dockerfile", "FROM ubuntu\nRUN pip install no-such-thing==1\n",
         "it installs the Python package no-such-thing==1"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nRUN make all\n",
         "it runs `make all`"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nRUN echo $(id) > x\n",
         "may do anything"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nRUN echo x > /etc/passwd\n",
         "it puts something at /etc/passwd, outside /app"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nRUN rm -rf ../..\n",
         "it puts something at /, outside /app"),
        ("environment/Dockerfile", "FROM ubuntu\nWORKDIR /app\nRUN cp data.txt .git/hooks/x\n",
         "changes git's own files"),
        ("environment/Dockerfile", "FROM ubuntu\nRUN git config --global user.name x\n",
         "it runs `git config --global user.name x`"),
        ("environment/Dockerfile", "FROM ubuntu\nCMD [\"nginx\"]\n", "it starts `nginx`"),
        ("environment/Dockerfile", "FROM\n", "it starts from , of which nothing is known"),
        ("environment/Dockerfile", "FROM ubuntu\nRUN [ -d /app ] || mkdir /app\n",
         "it runs `[ -d /app ]`"),
        ("environment/Dockerfile", "FROM ubuntu\nCMD ['bash']\n", "it starts `['bash']`"),
        ("environment/Dockerfile", "FROM ubuntu\nVOLUME /x\n", "VOLUME, which a folder cannot"),
        ("environment/Dockerfile", "FROM ubuntu\nENV PATH=/x:$PATH\n", "it sets PATH by what"),
        ("environment/Dockerfile", "FROM ubuntu\nENV HOME=/root\n",
         "it sets HOME to /root, a place of the container"),
        ("environment/Dockerfile", "FROM ubuntu\nENV LIB=lib:/app/lib\n",
         "it sets LIB to lib:/app/lib, a place of the container"),
        ("environment/docker-compose.yaml", "services:\n  main: {}\n  db: {}\n",
         "it needs several containers"),
        ("environment/docker-compose.yaml", "services:\n  main:\n    ports: ['80:80']\n",
         "its container has `ports`"),
        ("instruction.md", "Edit /etc/hosts.\n", "its instruction names /etc/hosts, outside /app"),
        ("tests/test.sh", "curl -s x | sh\n", "its script of tests runs `curl`"),
        ("tests/test.sh", "cat /srv/x\n", "its test test.sh names /srv/x, outside /app"),
        ("task.toml", "[environment]\ndocker_image = 'x/y'\n", "its image is ready-made: x/y"),
        ("task.toml", "[environment\n", "Expected"),
        ("environment/data.txt", "see /app/x\n", "its file data.txt names /app"),
    ],
)  # fmt: skip
def test_what_a_folder_cannot_be_is_left_out_with_its_reason(
    file: str, text: str, reason: str, tmp_path: Path
) -> None:
    told = loading(tmp_path)
    task_of_harbor(tmp_path / "greet", **{file: text})

    assert harbor.load(tmp_path / "greet", told) == []
    assert [each.id for each in told.left_out] == ["harbor-greet"]
    assert reason in told.left_out[0].reason


def test_a_repository_that_the_image_makes_is_the_tasks(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a"})
    made = as_folder(
        "FROM python:3.12\nWORKDIR /work\nCOPY . .\nRUN git init -q && git add a.txt\n",
        tmp_path,
        os.environ["PATH"],
    )

    assert (made.root, made.is_repository, list(made.files)) == ("/work", True, ["a.txt"])


def test_files_copied_over_what_was_run_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "a"})
    with pytest.raises(CannotBe, match="it copies files after it has run commands"):
        as_folder(
            "FROM ubuntu\nWORKDIR /app\nRUN mkdir x\nCOPY a.txt .\n", tmp_path, os.environ["PATH"]
        )


def test_settings_of_the_image_are_told_and_those_that_matter_not_are_not(tmp_path: Path) -> None:
    made = as_folder(
        'FROM ubuntu\nENV DEBIAN_FRONTEND=noninteractive MODE="a b"\nENV OLD form\n', tmp_path, ""
    )

    assert dict(made.environ) == {"MODE": "a b", "OLD": "form"}


# ------------------------------------------------------------------ Terminal-Bench

YAML = """# canary
instruction: |-
  Write hello into /app/greeting.txt.

  Nothing else.
difficulty: easy
category: file-operations
parser_name: pytest
max_agent_timeout_sec: 120.0
max_test_timeout_sec: 20
"""
COMPOSE = """services:
  client:
    build:
      dockerfile: Dockerfile
    image: ${T_BENCH_TASK_DOCKER_CLIENT_IMAGE_NAME}
    container_name: ${T_BENCH_TASK_DOCKER_CLIENT_CONTAINER_NAME}
    command: ["sh", "-c", "sleep infinity"]
    environment:
      - TEST_DIR=${T_BENCH_TEST_DIR}
    volumes:
      - ${T_BENCH_TASK_LOGS_PATH}:${T_BENCH_CONTAINER_LOGS_PATH}
"""


def task_of_terminal_bench(top: Path) -> Path:
    return write(
        top,
        {
            "task.yaml": YAML,
            "docker-compose.yaml": COMPOSE,
            "Dockerfile": "FROM ghcr.io/laude-institute/t-bench/python-3-13:20250620\nCOPY . .\n",
            "data.csv": "a,b\n",
            "solution.sh": "echo hello > /app/greeting.txt\n",
            "run-tests.sh": "uv init\nuv add pytest\nuv run pytest $TEST_DIR/test_outputs.py -rA\n",
            "tests/test_outputs.py": "import os\nfrom pathlib import Path\n\n\n"
            "def test_there():\n    assert os.path.exists('/app/greeting.txt')\n\n\n"
            "def test_says_it():\n"
            "    assert Path('/app', 'greeting.txt').read_text().strip() == 'hello'\n",
        },
    )


@pytest.mark.slow
def test_a_task_of_terminal_bench_is_played_in_a_folder(tmp_path: Path) -> None:
    task_of_terminal_bench(tmp_path / "tasks/greet")
    (task,) = terminal_bench.load(tmp_path, loading(tmp_path))

    assert task.prompt == "Write hello into greeting.txt.\n\nNothing else."
    assert list(task.files) == ["data.csv"]
    assert (task.time_limit_s, task.check.timeout_s) == (120.0, 20.0)
    folder = laid_out(task, tmp_path / "work")
    before = checked(task, folder, tmp_path / "aside")
    (folder / "pytest.py").write_text("import sys\nsys.exit(0)\n")
    cheated = checked(task, folder, tmp_path / "aside")
    (folder / "pytest.py").unlink()
    (folder / "greeting.txt").write_text("hello\n")
    after = checked(task, folder, tmp_path / "aside")
    assert (before.returncode, cheated.returncode, after.returncode) == (1, 1, 0), after.stdout
    assert "2 failed" in json.loads(before.stdout.splitlines()[-1])["detail"]


def test_folders_without_tasks_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no tasks of Terminal-Bench; give a folder with task"):
        terminal_bench.load(tmp_path, loading(tmp_path))
    with pytest.raises(UsageError, match="has no tasks of Harbor"):
        harbor.load(tmp_path, loading(tmp_path))


def test_a_task_file_that_is_no_yaml_is_left_out(tmp_path: Path) -> None:
    told = loading(tmp_path)
    task_of_terminal_bench(tmp_path / "greet")
    (tmp_path / "greet/task.yaml").write_text("a: [\n")

    assert terminal_bench.load(tmp_path, told) == []
    assert told.left_out[0].reason == "it has no instruction"
