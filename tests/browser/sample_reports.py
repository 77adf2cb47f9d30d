"""Reports that look like real ones, of any size, with hostile replies among them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pytest_ladder.core.case import WrittenCase
from pytest_ladder.core.ladder import Objective
from pytest_ladder.core.reply import Usage
from pytest_ladder.core.row import Exchange, Outcome, Row, UsedReply
from pytest_ladder.core.rung import Build, Model, Price, Rung, Strategy, Tier
from pytest_ladder.core.score import Level
from pytest_ladder.core.why import Why
from pytest_ladder.decide.evidence import Evidence
from pytest_ladder.decide.matrix import Unit, at_volume, build_matrix
from pytest_ladder.decide.objective import decide
from pytest_ladder.decide.tags import tags_of
from pytest_ladder.reporting.report import LookTold, Report, RunInfo

HOSTILE = (
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title = 'taken'\">",
    "</script><script>document.title = 'taken'</script>",
    "<!-- <script> --> \u202etxet sdrawkcab \x1b[31mred\x07 \ud83d half \u2028 line",
    "```\n</textarea></details></dialog>\n```\n[link](javascript:alert(1))",
    "=HYPERLINK(\"http://example.com\") && {{constructor.constructor('x')()}}",
)
MODELS: tuple[tuple[str, Tier, float, float, Build | None], ...] = (
    ("smol", Tier.OFF_THE_SHELF, 0.02, 0.10, None),
    ("smol-ft", Tier.FINE_TUNED, 0.03, 0.62, Build(usd=240.0, hours=3.5, examples=800)),
    (
        "smol-cpt",
        Tier.CONTINUED_PRETRAINED,
        0.03,
        0.70,
        Build(usd=5200.0, hours=60.0, examples=40_000),
    ),
    ("large", Tier.OFF_THE_SHELF, 2.5, 0.78, None),
)
STRATEGIES = (("zero-shot", 0.0, 60), ("few-shot", 0.07, 420), ("rag", 0.10, 900))
STRATEGIES_4 = (*STRATEGIES, ("few-shot-rag", 0.14, 1300))
TOPICS = ("refund", "delivery", "billing", "warranty", "account", "stock", "workshop")
WORDS = [
    "the",
    "order",
    "arrives",
    "within",
    "five",
    "working",
    "days",
    "and",
    "can",
    "be",
    "returned",
    "for",
    "a",
    "full",
    "refund",
    "until",
    "day",
    "forty",
    "five",
    "if",
    "the",
    "seal",
    "of",
    "the",
    "tea",
    "tin",
    "is",
    "unbroken",
    "please",
    "keep",
    "the",
    "receipt",
    "and",
    "write",
    "to",
    "our",
    "support",
    "team",
    "who",
    "will",
    "send",
    "a",
    "label",
    "to",
    "your",
    "address",
    "gift",
    "cards",
    "never",
    "expire",
    "workshops",
    "may",
    "be",
    "moved",
    "once",
    "free",
    "of",
    "charge",
    "members",
    "pay",
    "no",
    "postage",
    "above",
    "thirty",
    "euros",
    "and",
    "our",
    "oolong",
    "is",
    "harvested",
    "in",
    "spring",
]
SYSTEM = (
    "You are a customer support assistant of the shop Tanuki Tea.\n"
    "Answer in a few words, in the language of the customer, and never invent facts."
)


def sample_rungs(models: int = 2, strategies: int = 2) -> list[Rung]:
    return [
        Rung(
            model=Model(
                name=name,
                tier=tier,
                id=f"scripted/{name}",
                price=Price(input=price, output=4 * price),
                build=build,
            ),
            strategy=Strategy(
                name=strategy, corpus="kb" if "rag" in strategy else None
            ),
        )
        for name, tier, price, _, build in MODELS[:models]
        for strategy, _, _ in STRATEGIES_4[:strategies]
    ]


def prose(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words)).capitalize() + "."


class _World:
    """Draws rows and exchanges that hang together, from one seed."""

    def __init__(self, seed: int, cases: int) -> None:
        self.rng = random.Random(seed)
        self.passages = [prose(self.rng, 90) for _ in range(60)]
        self.shots = [(prose(self.rng, 12), prose(self.rng, 8)) for _ in range(8)]
        self.cases = [
            (
                f"{self.rng.choice(TOPICS)}-{'-'.join(self.rng.sample(WORDS, 2))}-{n}",
                prose(self.rng, self.rng.randint(8, 40)),
                self.rng.gauss(0, 1.3),
            )
            for n in range(cases)
        ]
        self.exchanges: dict[str, Exchange] = {}

    def written_cases(self) -> dict[Unit, WrittenCase]:
        """What the cases ask and expect, as a run keeps it."""
        return {
            ("cases.jsonl", case): WrittenCase(
                source="cases.jsonl",
                case=case,
                input=question,
                expected=" ".join(question.split()[:3]),
            )
            for case, question, _ in self.cases
        }

    def rows(self, rung: Rung, *, judged: bool) -> Iterator[Row]:
        for number, case in enumerate(self.cases):
            bill, text, sources = self.reply(rung, number, case)
            yield self.row(rung, Level.CHEAP, number, bill, text, sources)
            if judged:
                yield self.row(rung, Level.JUDGED, number, bill, text, sources)

    def reply(
        self, rung: Rung, number: int, case: tuple[str, str, float]
    ) -> tuple[UsedReply, str, tuple[str, ...]]:
        rng, shots = self.rng, "few" in rung.strategy.name
        messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}]
        for question, answer in self.shots if shots else ():
            messages.append({"role": "user", "content": question})
            messages.append({"role": "assistant", "content": answer})
        found = rng.sample(range(len(self.passages)), 3)
        sources = tuple(f"kb/page-{n:02}.md" for n in found)
        prompt = case[1]
        if rung.strategy.retrieves:
            shown = "\n\n".join(
                f"[{source}]\n{self.passages[n]}"
                for source, n in zip(sources, found, strict=True)
            )
            prompt = f"Context:\n\n{shown}\n\nQuestion: {prompt}"
        messages.append({"role": "user", "content": prompt})
        text = prose(rng, rng.randint(4, 45))
        if number < len(HOSTILE):
            text = HOSTILE[number]
        price = rung.model.price or Price(input=0, output=0)
        tokens = sum(len(str(message["content"])) for message in messages) // 4
        output = len(text) // 4
        key = f"{rung.id}:{number}"
        self.exchanges[key] = Exchange(key=key, messages=tuple(messages), text=text)
        bill = UsedReply(
            key=key,
            live=True,
            cost_usd=(tokens * price.input + output * price.output) / 1e6,
            latency_s=rng.lognormvariate(-1.1 + 0.2 * math.log(price.input + 1), 0.4)
            + tokens / 4000,
            usage=Usage(input=tokens, output=output),
        )
        return bill, text, sources if rung.strategy.retrieves else ()

    def row(
        self,
        rung: Rung,
        level: Level,
        number: int,
        bill: UsedReply,
        text: str,
        sources: tuple[str, ...],
    ) -> Row:
        case, _, hardness = self.cases[number]
        skill = next(m[3] for m in MODELS if m[0] == rung.model.name)
        skill += next(s[1] for s in STRATEGIES_4 if s[0] == rung.strategy.name)
        chance = 1 / (1 + math.exp(-5 * (skill - 0.62) - hardness))
        graded = level is Level.JUDGED
        score = self._score(chance, graded=graded)
        error = self.rng.random() < 0.002
        passed = score >= 0.7
        key = f"judge:{bill.key}"
        if graded:
            self.exchanges[key] = Exchange(
                key=key,
                messages=({"role": "user", "content": f"Grade this reply:\n{text}"},),
                text=f'{{"score": {score}}}',
            )
        return Row(
            test=f"tests/test_support.py::test_{'tone' if graded else 'answer'}",
            rung=rung.id,
            level=level,
            source="cases.jsonl",
            case=case,
            outcome=Outcome.ERROR
            if error
            else (Outcome.PASSED if passed else Outcome.MISSED),
            score=None if error else score,
            why=Why.FAILED_CALL if error else None,
            reason="TimeoutError: no answer within 60 s"
            if error
            else ("" if passed else f"assert '{prose(self.rng, 2)}' in '{text[:60]}'"),
            tags=(case.split("-")[0], "de" if number % 7 == 0 else "en"),
            replies=(bill,),
            evaluations=(UsedReply(key=key, live=True, cost_usd=4e-5),)
            if graded
            else (),
            text=text,
            retrieved=sources,
        )

    def _score(self, chance: float, *, graded: bool) -> float:
        if not graded:
            return float(self.rng.random() < chance)
        return round(min(1.0, max(0.0, self.rng.gauss(0.35 + 0.6 * chance, 0.15))), 2)


def sample_report(
    models: int = 2,
    strategies: int = 2,
    cases: int = 40,
    *,
    judged: bool = True,
    objective: Objective | None = None,
    seed: int = 7,
    states: Mapping[str, str] | None = None,
) -> Report:
    """Make the report of a run over `models` times `strategies` rungs."""
    rungs = sample_rungs(models, strategies)
    world = _World(seed, cases)
    states = states or {}
    rows = [
        row
        for rung in rungs
        if states.get(rung.id) != "not run"
        for row in world.rows(rung, judged=judged)
    ]
    if objective is None:
        objective = Objective(kind="good-enough", quality=0.72, latency_p95_s=4.0)
    evidence = Evidence(rows)
    matrix = at_volume(build_matrix(rows, rungs, states), objective.volume)
    current = rungs[min(1, len(rungs) - 1)].id
    return Report(
        info=RunInfo(
            id="5c1d7be0a4f2",
            started="2026-10-03T09:14:00+00:00",
            mode="matrix",
            git_sha="9f29d95eff2d26a83989524e45cff9b489fb2d5d",
            seed=20_261_003,
            versions={"pytest-ladder": "0.1.0", "pytest": "9.0.0", "python": "3.11.7"},
            current=current,
        ),
        matrix=matrix,
        rows=rows,
        tags=tags_of(rows, matrix),
        evidence=evidence,
        objective=objective,
        decision=decide(matrix, evidence, objective, current=current),
        exchanges=world.exchanges,
        cases=world.written_cases(),
        attempts=("20261003",),
        looks=(
            LookTold(
                sentence="smol/zero-shot, cheap: 3 of 10 (40 in all): go on",
                decision="go on",
            ),
            LookTold(
                sentence="smol/zero-shot, cheap: 5 of 20 (40 in all): fail",
                decision="fail",
            ),
        ),
    )


def without_exchanges(report: Report) -> Report:
    """The same report where only the rows were kept."""
    return msgspec.structs.replace(report, exchanges={}, cases={})
