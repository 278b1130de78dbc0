"""Verifies many records part by part."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence, Set
from typing import TypeVar, TypeVarTuple, Unpack

from tandem.verify.expected import combinations
from tandem.verify.oracle_call import Numbers
from tandem.verify.parallel.comparing import Compared, compare_letters_of, compare_part
from tandem.verify.parallel.grouping import Grouped, group, representatives
from tandem.verify.parallel.reading import Chunk, Read, chunks, read_documents, read_letters, read_records
from tandem.verify.parallel.spill import part_of
from tandem.verify.parallel.steps import merge_steps
from tandem.verify.parallel.work import Rows, Work
from tandem.verify.parallel.workers import Workers
from tandem.verify.report import Problems, RecordCounts, Report
from tandem.verify.step_progress import Progress, counted
from tandem.verify.topics import Ends, Offsets
from tandem.verify.totals import Dropped, Totals, report_of

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class ParallelVerification:
    """The records that were read so far, in temporary files.

    Args:
        work: the verification.
        workers: the worker processes.
        progress: is called with each step.
    """

    def __init__(self, work: Work, workers: Workers, progress: Progress) -> None:
        self._work, self._workers, self._progress = work, workers, progress
        self._read: list[Read] = []
        self._rounds = 0
        self._watermark_ms = 0

    def take(self, starts: Ends, ends: Ends, unknown_then: Set[bytes]) -> None:
        """Reads records that were not read before; see ``Intake.take``."""
        self._rounds += 1
        found: list[Chunk] = []
        for stream in self._work.declared.streams:
            name = f"{self._rounds:06}-{stream.name}"
            found += chunks(stream.topic, starts[stream.topic], ends[stream.topic], name, self._work.chunk)
        tasks = ((self._work, chunk, unknown_then) for chunk in found)
        with self._progress.step("reading records", sum(chunk.offsets for chunk in found)) as advance:
            for read in self._workers.each(read_records, tasks):
                self._read.append(read)
                advance(read.chunk.offsets)

    def watermark_ms(self) -> int:
        """Returns the watermark that the records imply."""
        work = self._work
        if work.rows(Rows.ROUND).exists():
            # Files that stay would be appended to.
            shutil.rmtree(work.rows(Rows.ROUND))
        streams = [stream.name for stream in work.declared.streams]
        self._watermark_ms = merge_steps(
            work.rows(Rows.STEPS), streams, work.rows(Rows.ROUND), lateness_seconds=work.lateness_seconds
        )
        return self._watermark_ms

    def report(self, ends: Offsets, dropped: Dropped) -> Report:
        """Returns the comparison; see ``compare.compare``.

        Args:
            ends: the offset after the last dead letter in each partition.
            dropped: the number of records that the job dropped as late.
        """
        work, problems = self._work, Problems()
        self._read_stored(work.coverage.beginnings[work.declared.dead_letter_topic], ends)
        parts = range(work.parts)
        grouped = list(self._each("grouping", group, [(work, part) for part in parts]))
        letters_removed = 0
        for found, removed in self._each("dead letters", compare_letters_of, [(work, part) for part in parts]):
            problems.merge(found)
            letters_removed += removed
        most = [max(numbers) for numbers in zip(*(found.most_contents for found in grouped), strict=True)]
        compared = self._compared(grouped, combinations(most))
        for found_part in compared:
            problems.merge(found_part.problems)
        for found_group in grouped:
            problems.merge(found_group.conflicts)
        totals = Totals(
            self._streams(grouped, compared),
            problems,
            late_undropped=sum(each.late_undropped for each in compared),
            undecided=sum(each.undecided for each in compared),
            removed=sum((each.removed for each in compared), Counter[str]()),
            letters_removed=letters_removed,
            unknown_then=sum(each.unknown_then for each in self._read),
            most_contents=most,
            differ=any(each.differ for each in compared),
        )
        return report_of(
            totals,
            watermark_ms=self._watermark_ms,
            outcomes=tuple(work.oracle.OUTCOMES),
            dead_letter_topic=work.declared.dead_letter_topic,
            coverage=work.coverage,
            dropped=dropped,
        )

    def _read_stored(self, starts: Offsets, ends: Offsets) -> None:
        """Reads dead letters and documents."""
        work = self._work
        letters = chunks(work.declared.dead_letter_topic, starts, ends, "letters", work.chunk)
        deque(self._each("reading dead letters", read_letters, [(work, chunk) for chunk in letters]), 0)
        with work.sources.documents() as documents:
            tasks = [
                (work, number, f"{number:03}-{place:06}", within)
                for number, collection in enumerate(work.collections)
                for place, within in enumerate(documents.ranges(collection))
            ]
        deque(self._each("reading documents", read_documents, tasks), 0)

    def _compared(self, grouped: Sequence[Grouped], tried: Sequence[Numbers]) -> list[Compared]:
        """Returns the comparison of each part, and of the parts with linked keys."""
        work, watermark_ms = self._work, self._watermark_ms
        linked: list[dict[str, str]] = [{} for _ in range(work.parts)]
        for key, representative in representatives(link for found in grouped for link in found.linked).items():
            linked[part_of(key, work.parts)][key] = representative
        tasks = [(work, Rows.GROUPED, part, watermark_ms, tried, keys) for part, keys in enumerate(linked)]
        compared = list(self._each("comparing", compare_part, tasks))
        parts = {part_of(representative, work.parts) for keys in linked for representative in keys.values()}
        again = [(work, Rows.LINKED, part, watermark_ms, tried, dict[str, str]()) for part in parts]
        if again:
            compared += self._each("comparing linked keys", compare_part, again)
        return compared

    def _streams(self, grouped: Sequence[Grouped], compared: Sequence[Compared]) -> dict[str, RecordCounts]:
        """Returns the outcomes of each stream's records."""
        streams = {}
        for stream in self._work.declared.streams:
            counts = RecordCounts()
            for read in self._read:
                if read.chunk.topic == stream.topic:
                    counts.update(read.counts)
            counts["repeated"] += sum(each.repeated[stream.name] for each in grouped)
            for each in compared:
                counts.update(each.outcomes[stream.name])
            streams[stream.name] = counts
        return streams

    def _each(
        self, what: str, function: Callable[[Unpack[Arguments]], Result], tasks: Sequence[tuple[*Arguments]]
    ) -> Iterator[Result]:
        with self._progress.step(what, len(tasks)) as advance:
            yield from counted(self._workers.each(function, tasks), advance, 1)
