from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcode.local.devices import Gpu
from qcode.models.hardware import Hardware
from qcode.models.model import Model, Reasoning, Sampling, Weights
from qcode.models.recipe import Command, Recipe
from qcode.models.serving import recipes
from qcode.models.told import describe, tell, to_json
from qcode.models.traits import traits
from qcode.record import replace

GIB = 1 << 30
CODER = Model(
    "qwen3-coder-30b-a3b",
    context_window=262_144,
    call_format="qwen3-coder",
    sampling=Sampling(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.05),
    weights=Weights(
        "Qwen/Qwen3-Coder-30B-A3B-Instruct",
        30.5,
        3.3,
        98_304,
        "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
        "qwen3-coder:30b",
        quantisations={"Q8_0": 32.5, "Q4_K_M": 18.6, "Q2_K": 11.3},
    ),
)
HYBRID = Model(
    "qwen3.5-35b-a3b",
    context_window=262_144,
    reasoning=Reasoning("tags"),
    sampling=Sampling(temperature=1.0, presence_penalty=1.5, min_p=0.0),
    weights=Weights(
        "Qwen/Qwen3.5-35B-A3B",
        35.0,
        3.0,
        20_480,
        "unsloth/Qwen3.5-35B-A3B-GGUF",
        quantisations={"Q8_0": 37.0, "Q4_K_M": 21.2},
    ),
    sees_images=True,
)
GPT_OSS = Model(
    "gpt-oss-20b",
    context_window=131_072,
    reasoning=Reasoning("field"),
    weights=Weights("openai/gpt-oss-20b", 20.9, 3.6, 49_152, "ggml-org/gpt-oss-20b-GGUF"),
)
STRANGE = Model("strange-200b", weights=Weights("x/strange-200b", 200.0, 200.0))
UNHEARD_OF = Model(
    "unheard-of",
    context_window=131_072,
    weights=Weights("x/y", 30.0, 3.0, 98_304, "x/y-GGUF", quantisations={"Q4_K_M": 18.6}),
)
MODELS = (CODER, HYBRID, GPT_OSS, STRANGE, UNHEARD_OF)

CARD = Gpu("nvidia", "NVIDIA GeForce RTX 4090", 24 * GIB)
H100 = Gpu("nvidia", "NVIDIA H100 80GB HBM3", 80 * GIB)
MAC = Gpu("apple", "Apple M4 Max", 96 * GIB, None, is_unified=True)


def machine(ram_gib: float, *cards: Gpu) -> Hardware:
    return Hardware("linux-x86_64", int(ram_gib * GIB), None, 8, None, cards)


MACHINES = (
    *(machine(8), machine(32), machine(32, replace(CARD, vram_bytes=12 * GIB))),
    *(machine(64, CARD), machine(128, MAC), machine(512, H100, H100, H100, H100)),
)


def recipe(server: str, model: Model, hardware: Hardware) -> Recipe:
    return next(one for one in recipes(model, hardware) if one.server == server)


def words(server: str, model: Model, hardware: Hardware) -> tuple[str, ...]:
    found = recipe(server, model, hardware)
    assert found.fits, found.why
    return found.commands[0].argv


def value(argv: tuple[str, ...], option: str) -> str:
    return argv[argv.index(option) + 1]


def every() -> Iterator[Recipe]:
    for model in MODELS:
        for hardware in MACHINES:
            yield from recipes(model, hardware)


def test_each_server_has_a_recipe_those_that_fit_first() -> None:
    for model in MODELS:
        for hardware in MACHINES:
            found = recipes(model, hardware)

            assert {one.server for one in found} == {
                *("llama.cpp", "vLLM", "SGLang", "Ollama", "LM Studio")
            }
            assert [one.fits for one in found] == sorted((one.fits for one in found), reverse=True)


def test_what_cannot_be_run_has_none() -> None:
    assert recipes(Model("closed"), machine(64)) == ()
    assert "not published" in tell((), machine(64))


def test_every_recipe_is_complete() -> None:
    for one in every():
        assert bool(one.commands) == one.fits == (one.use is not None)
        assert "\n" not in one.why
        if one.fits:
            assert one.needed_gb is not None
            assert one.context is not None
            assert one.context >= 16_384
            assert one.tokens_per_second is not None
            assert 0.1 < one.tokens_per_second < 500


def test_every_server_listens_on_loopback_alone() -> None:
    for one in every():
        text = " ".join(command.line() for command in one.commands)
        if one.server in ("llama.cpp", "vLLM", "SGLang"):
            assert not one.fits or "--host 127.0.0.1" in text
        if one.server == "Ollama":
            assert not one.fits or "OLLAMA_HOST=127.0.0.1:" in text
        assert one.use is None or "--base-url http://127.0.0.1:" in one.use.line()


def test_llama_cpp_is_told_all_that_matters() -> None:
    assert words("llama.cpp", CODER, machine(64, CARD)) == (
        "llama-server",
        *("-hf", "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M", "--no-mmproj"),
        *("--alias", "qwen3-coder-30b-a3b", "--host", "127.0.0.1", "--port", "8080"),
        *("-c", "65536", "--parallel", "1", "--jinja", "-ngl", "99"),
        *("-ctk", "q8_0", "-ctv", "q8_0", "--cache-ram", "8192", "--cache-reuse", "256"),
        *("--temp", "0.7", "--top-p", "0.8", "--top-k", "20", "--repeat-penalty", "1.05"),
    )


def test_experts_stay_in_ram_where_the_card_is_small() -> None:
    argv = words("llama.cpp", CODER, machine(32, replace(CARD, vram_bytes=12 * GIB)))

    assert value(argv, "-ngl") == "99"
    assert 0 < int(value(argv, "--n-cpu-moe")) <= 48
    assert value(argv, "-t") == "8"


def test_without_a_known_number_of_layers_all_experts_do() -> None:
    argv = words("llama.cpp", UNHEARD_OF, machine(32, replace(CARD, vram_bytes=12 * GIB)))

    assert "--cpu-moe" in argv


def test_without_a_card_nothing_speaks_of_one() -> None:
    argv = words("llama.cpp", CODER, machine(64))

    assert not {"-ngl", "--cpu-moe", "--n-cpu-moe"} & set(argv)
    assert value(argv, "-t") == "8"


@pytest.mark.parametrize("model, says", [(HYBRID, "state"), (GPT_OSS, "sliding windows")])
def test_a_cache_that_cannot_be_moved_is_not_to_be(model: Model, says: str) -> None:
    found = recipe("llama.cpp", model, machine(64, CARD))

    assert "--cache-reuse" not in found.commands[0].argv
    assert any(says in note and "--cache-reuse" in note for note in found.notes)


def test_pictures_need_their_part_of_the_model() -> None:
    assert "--no-mmproj" not in words("llama.cpp", HYBRID, machine(64, CARD))


def test_thoughts_are_told_apart() -> None:
    assert value(words("llama.cpp", HYBRID, machine(64)), "--reasoning-format") == "auto"
    assert value(words("vLLM", HYBRID, machine(512, H100)), "--reasoning-parser") == "qwen3"
    assert value(words("SGLang", HYBRID, machine(512, H100)), "--reasoning-parser") == "qwen3"
    assert "--reasoning-parser" not in words("vLLM", CODER, machine(512, H100))


def test_the_cards_sampling_is_said() -> None:
    argv = words("llama.cpp", HYBRID, machine(64))

    assert argv[-6:] == ("--temp", "1", "--min-p", "0", "--presence-penalty", "1.5")
    assert json.loads(
        value(words("vLLM", CODER, machine(512, H100)), "--override-generation-config")
    ) == {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.05}


def test_what_a_server_is_not_told_of_sampling_can_be_sent() -> None:
    fits = machine(512, H100)
    penalty = (
        "its card says to sample so: `extra_body = { presence_penalty = 1.5 }` in the settings"
    )

    assert penalty in recipe("vLLM", HYBRID, fits).notes
    assert penalty in recipe("SGLang", HYBRID, fits).notes
    assert any(
        "temperature = 1, min_p = 0" in note for note in recipe("Ollama", HYBRID, fits).notes
    )
    assert not any("extra_body" in note for note in recipe("Ollama", CODER, fits).notes)


def test_parameters_that_cannot_be_are_none() -> None:
    assert recipes(Model("empty", weights=Weights("x/y", 0.0, 0.0)), machine(64)) == ()


def test_several_cards_share_the_tensors() -> None:
    small = replace(H100, vram_bytes=24 * GIB)

    assert value(words("vLLM", CODER, machine(512, *[small] * 4)), "--tensor-parallel-size") == "4"
    assert value(words("SGLang", CODER, machine(512, *[small] * 3)), "--tp-size") == "2"
    assert "--tensor-parallel-size" not in words("vLLM", CODER, machine(512, H100))


def test_no_more_cards_are_taken_than_it_needs() -> None:
    """Of 28 heads eight cards get no equal share: vLLM then ends with an error."""
    heads_28 = Model(
        "qwen2.5-coder-7b",
        context_window=131_072,
        weights=Weights("Qwen/Qwen2.5-Coder-7B-Instruct", 7.61, 7.61, 57_344),
    )
    eight = machine(512, *[CARD] * 8)

    assert value(words("vLLM", heads_28, eight), "--tensor-parallel-size") == "2"
    assert value(words("SGLang", heads_28, eight), "--tp-size") == "2"


def test_cards_that_are_left_over_are_not_counted() -> None:
    why = recipe("vLLM", CODER, machine(64, *[replace(CARD, vram_bytes=16 * GIB)] * 3)).why

    assert why.endswith("are needed, 2 of 3 GPUs have 34 GB to share evenly")


@pytest.mark.parametrize(
    "known, vllm, gigabytes",
    [
        ({"INT4": 595.0}, "x/Kimi-K2.7-Code", 595.0),
        ({"BF16": 2000.0, "FP8": 1000.0}, "x/Kimi-K2.7-Code", 2000.0),
        ({}, "x/Kimi-K2.7-Code", 575.0),
    ],
)
def test_what_the_vendor_published_has_its_own_size(
    known: dict[str, float], vllm: str, gigabytes: float
) -> None:
    weights = Weights("x/Kimi-K2.7-Code", 1000.0, 32.0, 70_272, quantisations=known)
    model = Model("kimi-k2.7-code", context_window=262_144, weights=weights)
    huge = replace(H100, vram_bytes=400 * GIB)

    found = recipe("vLLM", model, machine(512, *[huge] * 8))

    assert (found.commands[0].argv[2], found.weights_gb) == (vllm, gigabytes)


def test_a_size_by_the_vendor_is_not_taken_for_a_gguf_file() -> None:
    weights = Weights("x/y", 27.0, 27.0, 65_536, "x/y-GGUF", quantisations={"BF16": 55.6})

    found = recipe("llama.cpp", Model("x", weights=weights), machine(64, CARD))

    assert found.quantisation == "Q5_K_M"
    assert "the sizes of its files are not known; they are estimated" in found.notes


def test_a_small_model_runs_though_its_smallest_file_has_many_bits() -> None:
    weights = Weights("x/y", 0.8, 0.8, 12_288, "x/y-GGUF", quantisations={"Q8_0": 1.0})

    for hardware in (machine(8), machine(64), machine(64, CARD), machine(128, MAC)):
        for server in ("llama.cpp", "Ollama", "LM Studio"):
            assert recipe(server, Model("x", weights=weights), hardware).fits


def test_ollama_is_planned_with_what_it_pulls() -> None:
    """Its library has one form behind a name, however much memory there is."""
    found = recipe("Ollama", CODER, machine(512, H100))

    assert found.commands[1].argv[-1] == "qwen3-coder:30b"
    assert (found.quantisation, found.weights_gb) == ("Q4_K_M", 18.6)


def test_ollama_takes_a_smaller_file_where_its_librarys_is_too_large() -> None:
    found = recipe("Ollama", CODER, machine(18))

    assert found.quantisation == "Q2_K"
    assert found.commands[1].argv[-1] == "hf.co/unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q2_K"


def test_the_vendors_fp8_is_taken_where_16_bits_are_too_many() -> None:
    card = replace(H100, vram_bytes=48 * GIB)

    assert words("vLLM", CODER, machine(512, card))[2] == "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"
    assert words("vLLM", CODER, machine(512, H100))[2] == "Qwen/Qwen3-Coder-30B-A3B-Instruct"


@pytest.mark.parametrize("server", ["vLLM", "SGLang"])
def test_servers_of_gpus_want_some(server: str) -> None:
    for hardware in (machine(512), machine(128, MAC)):
        assert recipe(server, CODER, hardware).why.startswith("needs NVIDIA or AMD GPUs")


def test_ollama_is_given_a_window() -> None:
    serve, pull = recipe("Ollama", CODER, machine(64, CARD)).commands

    assert serve.environment["OLLAMA_CONTEXT_LENGTH"] == "65536"
    assert serve.environment["OLLAMA_KV_CACHE_TYPE"] == "q8_0"
    assert serve.environment["OLLAMA_FLASH_ATTENTION"] == "1"
    assert pull.argv == ("ollama", "pull", "qwen3-coder:30b")
    other = recipe("Ollama", HYBRID, machine(64, CARD)).commands[1].argv
    assert other[-1] == "hf.co/unsloth/Qwen3.5-35B-A3B-GGUF:Q4_K_M"


def test_lm_studio_is_told_context_and_share() -> None:
    get, load, start = recipe("LM Studio", CODER, machine(64, CARD)).commands

    assert get.argv[-1].endswith("/unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF@Q4_K_M")
    assert load.argv[2] == "qwen3-coder-30b-a3b-instruct"
    assert value(load.argv, "--context-length") == "65536"
    assert value(load.argv, "--gpu") == "max"
    assert start.argv == ("lms", "server", "start", "--port", "1234")


def test_what_does_not_fit_says_what_would() -> None:
    assert recipe("llama.cpp", CODER, machine(8)).why == (
        "does not fit: at least 13.2 GB are needed (Q2_K, 16384 tokens), "
        "7.1 GB of RAM can be used here"
    )
    assert recipe("llama.cpp", STRANGE, machine(8)).why == (
        "no repository of GGUF files is known for it"
    )
    assert recipe("vLLM", CODER, machine(64, CARD)).why == (
        "does not fit: at least 38 GB of VRAM (FP8, 16384 tokens) are needed, 26 GB are here"
    )


def test_what_was_assumed_is_said() -> None:
    unknown = replace(CARD, name="something")
    notes = " ".join(recipe("llama.cpp", GPT_OSS, machine(64, unknown)).notes)

    assert "sizes of its files are not known" in notes
    assert "300 GB/s were assumed" in notes


@pytest.mark.parametrize(
    "name, vllm, sglang",
    [
        ("qwen3-coder-next", "qwen3_coder", "qwen3_coder"),
        ("qwen3.6-27b", "qwen3_coder", "qwen3_coder"),
        ("qwen3-32b", "hermes", "qwen"),
        ("qwen2.5-coder-32b", "hermes", "qwen"),
        ("glm-4.5-air", "glm45", "glm45"),
        ("glm-4.7", "glm47", "glm47"),
        ("glm-5", "glm47", "glm47"),
        ("minimax-m2.5", "minimax_m2", "minimax-m2"),
        ("kimi-k2.5", "kimi_k2", "kimi_k2"),
        ("deepseek-v3.2", "deepseek_v32", "deepseekv32"),
        ("deepseek-v3.1", "deepseek_v31", "deepseekv31"),
        ("deepseek-v4", "deepseek_v4", "deepseekv4"),
        ("gpt-oss-120b", "openai", "gpt-oss"),
        ("devstral-small-2", "mistral", "mistral"),
        ("llama-4-scout", "llama4_pythonic", "pythonic"),
        ("hermes-4-llama-3.1-70b", "hermes", "qwen"),
        ("mimo-v2-flash", "mimo", "mimo"),
        ("something-else", "", ""),
    ],
)
def test_each_family_has_its_parser(name: str, vllm: str, sglang: str) -> None:
    found = traits(Model(name, weights=Weights(f"x/{name}", 10.0, 10.0)))

    assert (found.vllm_tools, found.sglang_tools) == (vllm, sglang)


def test_without_a_name_the_format_of_calls_tells() -> None:
    assert traits(Model("house-model", call_format="glm")).vllm_tools == "glm47"


def test_a_server_without_parser_says_so() -> None:
    found = recipe("vLLM", STRANGE, machine(512, *[H100] * 8))

    assert "--tool-call-parser" not in found.commands[0].argv
    assert any("reads its calls from the text" in note for note in found.notes)


def test_a_command_is_the_same_for_a_shell_in_one_line_and_in_several() -> None:
    for one in every():
        for command in one.commands:
            joined = command.lines(60).replace(" \\\n", " ")
            expected = [f"{name}={text}" for name, text in command.environment.items()]

            assert shlex.split(joined) == [*expected, *command.argv]
            assert shlex.split(command.line()) == [*expected, *command.argv]


def test_what_a_shell_would_read_otherwise_is_quoted() -> None:
    command = Command(("run", "--json", '{"a": 1}'), {"NAME": "two words"})

    assert command.line() == "NAME='two words' run --json '{\"a\": 1}'"


def test_people_are_told_in_lines_that_fit() -> None:
    hardware = machine(64, CARD)
    text = tell(recipes(CODER, hardware), hardware)

    assert text.startswith("this machine: 8 cores, 68.7 GB of RAM, NVIDIA GeForce RTX 4090 with")
    assert "tokens a second (an estimate)" in text
    assert "then: qcode -m qwen3-coder-30b-a3b --base-url http://127.0.0.1:8080/v1" in text
    assert text.index("llama.cpp: fits") < text.index("vLLM: does not fit")
    assert describe(machine(8)) == "8 cores, 8.6 GB of RAM, no GPU found"


def test_programs_get_the_same() -> None:
    for hardware in MACHINES:
        found = recipes(CODER, hardware)
        told = json.loads(json.dumps(to_json(found, hardware)))

        assert [one["server"] for one in told["recipes"]] == [one.server for one in found]
        for one, there in zip(found, told["recipes"], strict=True):
            assert there["fits"] == one.fits
            assert [tuple(each["argv"]) for each in there["commands"]] == [
                command.argv for command in one.commands
            ]


def llama_options() -> set[str]:
    return {
        word
        for one in every()
        if one.server == "llama.cpp"
        for command in one.commands
        for word in command.argv
        if re.fullmatch(r"--?[a-z][a-z-]*", word)
    }


def test_every_option_of_llama_cpp_exists(llama_help: str) -> None:
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", llama_help))

    assert {"-hf", "-ngl", "--n-cpu-moe", "--cpu-moe", "--cache-ram", "--jinja"} <= llama_options()
    assert llama_options() - known == set()


def test_every_command_of_llama_cpp_is_understood(llama_server: Path, tmp_path: Path) -> None:
    lines = {one.commands[0].argv for one in every() if one.server == "llama.cpp" and one.commands}
    for line in lines:
        at = line.index("-hf")
        missing = [*line[1:at], "-m", str(tmp_path / "missing.gguf"), *line[at + 2 :]]

        done = subprocess.run(
            [str(llama_server), *missing, "--offline"],
            capture_output=True,
            text=True,
            timeout=60,
        )

        # Wrong options are refused before it looks for the file.
        assert "failed to open GGUF file" in done.stderr + done.stdout, line


@pytest.fixture
def llama_help(llama_server: Path) -> str:
    done = subprocess.run(
        [str(llama_server), "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_asking_for_recipes_loads_nothing_heavy() -> None:
    code = (
        "import sys; from qcode.models.serving import recipes; "
        "print(*{'asyncio', 'http.client', 'litellm', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout == "\n"
