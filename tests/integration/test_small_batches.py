"""What the driver writes of a small batch is what Spark's tasks write: byte for byte, for every type."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from kafka import KafkaConsumer, TopicPartition
from py4j.clientserver import ClientServerConnection
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.job_config import KafkaConfig, MongoConfig
from tandem.engine.spark.dates import is_old
from tandem.engine.spark.failure import CannotGoOnError, JobError
from tandem.engine.write import mongo_sink
from tandem.engine.write.dead_letters import DeadLetters
from tandem.engine.write.driver_rows import DriverQuery, DriverRows
from tandem.engine.write.driver_writer import MONGODB, DriverWriter
from tandem.engine.write.mongo_sink import SmallWriter, write_documents
from tandem.pipelines.orders_payments.transform import PIPELINE
from tandem_bench.testbed import new_testbed
from tests import STATE
from tests.environment import Environment
from tests.spark.records import ARRIVED, job_config, kafka_rows

TYPES = (
    "_id string, text string, whole int, long bigint, real double, single float, yes boolean, at timestamp, "
    "amount decimal(20, 4), raw binary, list array<string>, nested struct<text: string, long: bigint, at: timestamp>, "
    "lists array<struct<long: bigint, texts: array<string>>>, map map<string, bigint>"
)
OLD, NEW = datetime(1582, 10, 10, tzinfo=UTC), datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
NOTHING = (None,) * 13
# Each as if it were all of a batch: one old date changes how the whole batch is written.
BATCHES = {
    "ordinary": [
        (
            *("1", "plain", 5, 5, 5.0, 0.1, True, NEW, Decimal("12.3400"), bytearray(b"\x00\xff"), ["a"]),
            *({"text": "x", "long": 1, "at": NEW}, [{"long": 1, "texts": ["y", None]}], {"a": 1}),
        ),
        (
            *("2", '{"$date": 1}', -(2**31), 2**63 - 1, float("nan"), float("inf"), False, NEW, Decimal("-0.0001")),
            *(bytearray(), [], {"text": "null", "long": None, "at": None}, [], {}),
        ),
        (
            *("3", "žluť 🐎\u2028\x01", 0, -(2**63), -0.0, -0.0, None, NEW, Decimal("9999999999999999.9999")),
            *(None, ["$set", '"', "\\"], {"text": None, "long": 2**40, "at": NEW}, None, {"$numberLong": 1, "a.b": 2}),
        ),
        ("4", *NOTHING),
    ],
    "old": [
        (
            *("5", "5", 5, 5, 5.0, 0.1, True, OLD, Decimal("1.0000"), bytearray(b"x"), ["[1]"]),
            *({"text": "5", "long": 1, "at": OLD}, [{"long": 1, "texts": ["5"]}], {"5": 5}),
        ),
    ],
    "of one type": [("6", "text", *NOTHING[1:])],
}
# Without anything inside of which there are dates.
FLAT = [name.split()[0] for name in TYPES.split(", ")[:9]]


@pytest.fixture(scope="module")
def running() -> Iterator[Environment]:
    """Kafka and MongoDB, with the pipeline's topics and indexes. No job: the tests write as a job does."""
    environment = Environment(STATE / "small", 29880)
    with new_testbed(environment.settings):
        yield environment


@pytest.fixture
def database(running: Environment) -> Iterator[Any]:
    with running.database() as database:
        yield database.client["small_batches"]
        database.client.drop_database("small_batches")


@pytest.mark.parametrize("columns", [["*"], FLAT], ids=["all types", "flat"])
@pytest.mark.parametrize("rows", BATCHES.values(), ids=BATCHES)
def test_the_driver_stores_what_tasks_store(
    spark: SparkSession,
    running: Environment,
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[Any, ...]],
    columns: list[str],
) -> None:
    config = replace(job_config("any"), mongo=MongoConfig(uri=uri_of(running), database="small_batches"))
    batch = spark.createDataFrame(rows, TYPES).select(*columns)
    old = bool(batch.where(is_old(batch)).count())
    write_documents(batch, "tasks", config, few=True, old=old)
    in_driver = DriverRows(batch)
    assert in_driver.collect(batch) == len(rows)
    monkeypatch.setattr(mongo_sink, "write_documents", pytest.fail)
    writer = SmallWriter(in_driver, in_driver.placeholder, "driver", config)
    # The first time, the documents are inserted. The second time they exist, so they are replaced.
    for _ in range(2):
        writer.write(old=old)
        by_tasks, by_driver = (stored(database, name) for name in ("tasks", "driver"))
        assert by_driver == by_tasks
        assert len(by_driver) == len(rows)


def test_the_newest_batch_wins_where_a_document_exists(
    spark: SparkSession, running: Environment, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are new, some exist, and one is twice in a batch."""
    config = replace(job_config("any"), mongo=MongoConfig(uri=uri_of(running), database="small_batches"))
    monkeypatch.setattr(mongo_sink, "write_documents", pytest.fail)
    batches = [
        spark.createDataFrame([(each, n) for each in ids], "_id string, n int")
        for n, ids in enumerate(("ab", "bcc", "cde", "ef"))
    ]
    rows = DriverRows(batches[0])
    writer = SmallWriter(rows, rows.placeholder, "newest", config)
    for batch in batches:
        rows.collect(batch)
        writer.write(old=False)
    writer.close()
    found = {each["_id"]: each["n"] for each in database["newest"].find()}
    assert found == {"a": 0, "b": 1, "c": 2, "d": 2, "e": 3, "f": 3}


@pytest.mark.parametrize("few", [True, False])
def test_a_document_whose_id_is_null_is_refused(
    spark: SparkSession, running: Environment, database: Any, few: bool
) -> None:
    """Each write of it would store one more."""
    config = replace(job_config("any"), mongo=MongoConfig(uri=uri_of(running), database="small_batches"))
    batch = spark.createDataFrame([("a", 1), (None, 2)], "_id string, n int")
    rows = DriverRows(batch)
    rows.collect(batch)
    with pytest.raises(CannotGoOnError, match="writing ids failed: a document has no _id"):
        SmallWriter(rows, rows.placeholder, "ids", config).write(old=False)
    with pytest.raises(CannotGoOnError, match="writing ids failed: a document has no _id"):
        write_documents(batch, "ids", config, few=few)
    assert database["ids"].count_documents({"n": 2}) == 0


def uri_of(environment: Environment) -> str:
    return f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true"


def stored(database: Any, collection: str) -> dict[str, bytes]:
    options = database.codec_options.with_options(document_class=RawBSONDocument)
    found = database.get_collection(collection, codec_options=options).find()
    return {document["_id"]: document.raw for document in found}


def test_a_failed_write_is_done_again_by_tasks(spark: SparkSession, running: Environment, database: Any) -> None:
    config = replace(job_config("any"), mongo=MongoConfig(uri=uri_of(running), database="small_batches"))
    batch = spark.createDataFrame([("1",)], "_id string")
    rows = DriverRows(batch)
    rows.collect(batch)
    wrong = replace(config, mongo=replace(config.mongo, uri="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500"))
    writer = SmallWriter(rows, rows.placeholder, "tasks", wrong)
    with pytest.raises(JobError, match="writing tasks failed"):
        writer.write(old=False)
    assert stored(database, "tasks") == {}
    writer = SmallWriter(
        rows, rows.placeholder.select(F.expr("assert_true(_id = '2', _id)").alias("x"), "_id"), "t", config
    )
    with pytest.raises(JobError) as failed:
        writer.write(old=False)
    assert str(failed.value) == "writing t failed: USER_RAISED_EXCEPTION"


def test_one_writer_stores_one_batch_after_another(spark: SparkSession, running: Environment, database: Any) -> None:
    """And after a failed write, whose rows it forgets."""
    batches = [
        spark.createDataFrame([(each, n) for each in ids], "_id string, n int")
        for n, ids in enumerate(("ab", "cd", "de", "f"))
    ]
    rows = DriverRows(batches[0])
    query = DriverQuery(rows, rows.placeholder)
    options = {"connection.uri": uri_of(running), "database": "small_batches", "collection": "kept", "ordered": "true"}
    writer = DriverWriter(query.declared, MONGODB, {**options, "operationType": "insert"})
    for batch in batches[:2]:
        rows.collect(batch)
        writer.write(query.rows())
    rows.collect(batches[2])
    with pytest.raises(Py4JJavaError):
        writer.write(query.rows())
    rows.collect(batches[3])
    writer.write(query.rows())
    writer.close()
    assert {each["_id"]: each["n"] for each in database["kept"].find()} == {"a": 0, "b": 0, "c": 1, "d": 1, "f": 3}


def test_a_query_sees_the_rows_of_the_newest_batch(spark: SparkSession) -> None:
    first, second = (spark.createDataFrame([(each,)], "a bigint") for each in (1, 2))
    rows = DriverRows(first)
    doubled = DriverQuery(rows, rows.placeholder.where("a > 0").select((F.col("a") * 2).alias("b")))
    answers = []
    for batch in (first, second):
        rows.collect(batch)
        answers.append((doubled.rows().apply(0).getLong(0), doubled.frame().collect()[0]["b"]))
    assert answers == [(2, 2), (4, 4)]
    rows.clear()
    assert doubled.rows().size() == 0


def test_a_query_may_have_the_rows_several_times(spark: SparkSession) -> None:
    batch = spark.createDataFrame([(1,), (2,)], "a bigint")
    rows = DriverRows(batch)
    both = DriverQuery(rows, reduce(DataFrame.union, (rows.placeholder.where(f"a = {each}") for each in (1, 2))))
    rows.collect(batch)
    assert sorted(row["a"] for row in both.frame().collect()) == [1, 2]


CHAINS: dict[str, Callable[[DataFrame], DataFrame]] = {
    "nothing": lambda rows: rows,
    "projection": lambda rows: rows.select("a", F.upper("text").alias("b")),
    "filter": lambda rows: rows.where("a > 1"),
    "none left": lambda rows: rows.where("a > 9"),
    "filter that is always false": lambda rows: rows.where("FALSE"),
    "both, several times": lambda rows: (
        rows.where("a > 1").withColumn("c", F.col("a") * 2).where("c < 9").select(F.struct("c", "text").alias("d"))
    ),
}


@pytest.mark.parametrize("query", CHAINS.values(), ids=CHAINS)
def test_a_query_has_the_same_rows_with_few_calls_to_java(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, query: Callable[[DataFrame], DataFrame]
) -> None:
    batches = [spark.createDataFrame([(n, "x"), (n + 3, None)], "a bigint, text string") for n in range(3)]
    rows = DriverRows(batches[0])
    made = DriverQuery(rows, query(rows.placeholder))
    commands: list[str] = []
    jvm: Any = spark._jvm
    send = ClientServerConnection.send_command

    def counted(self: ClientServerConnection, command: str) -> str:
        # The others release objects that Python has forgotten.
        if command.startswith(("c\n", "i\n")):
            commands.append(command)
        return str(send(self, command))

    for batch in batches:
        rows.collect(batch)
        with monkeypatch.context() as patch:
            patch.setattr(ClientServerConnection, "send_command", counted)
            found = made.rows()
        assert len(commands) < 18
        commands.clear()
        expected = query(batch)._jdf
        convert = jvm.org.apache.spark.sql.catalyst.CatalystTypeConverters.convertToScala
        in_driver = [convert(found.apply(n), expected.schema()).toString() for n in range(found.size())]
        assert in_driver == [row.toString() for row in expected.collectAsList()]


@pytest.mark.parametrize(
    "query",
    [
        lambda rows: rows.groupBy("a").count(),
        lambda rows: rows.select(F.explode("list")),
        lambda rows: rows.join(rows.select("a"), "a"),
        # Planned once, these would be the same in every batch.
        lambda rows: rows.select(F.current_timestamp()),
        lambda rows: rows.select(F.rand()),
        lambda rows: rows.select(F.uuid()),
        lambda rows: rows.where(rows.select("a").where("a > 0").exists()),
        lambda rows: rows.select(F.udf(str, "string", useArrow=False)("a")),
    ],
    ids=["group", "explode", "join", "time", "random", "uuid", "subquery", "Python"],
)
def test_what_the_driver_cannot_evaluate_is_left_to_tasks(
    spark: SparkSession, query: Callable[[DataFrame], DataFrame]
) -> None:
    rows = DriverRows(spark.createDataFrame([(1, [1])], "a bigint, list array<bigint>"))
    assert DriverQuery(rows, query(rows.placeholder)).needs_a_job
    assert not DriverQuery(rows, rows.placeholder.where("a > 0").select("list")).needs_a_job


def test_the_driver_appends_the_same_dead_letters(spark: SparkSession, running: Environment) -> None:
    config = replace(job_config("orders_payments"), kafka=KafkaConfig(bootstrap=running.bootstrap))
    letters = DeadLetters(spark, PIPELINE, config)
    values = [b"{", b"", None, (b"key", "ž".encode("utf-16")), b'{"order_id": 5}']
    records = reduce(DataFrame.union, (kafka_rows(spark, stream.topic, values) for stream in PIPELINE.streams))
    rejected = records.selectExpr("false AS is_control", "*").cache()
    rows = DriverRows(rejected)
    rows.collect(rejected)
    queries = [DriverQuery(rows, made) for made in letters.made_by_stream(rows.placeholder)]

    def by_driver() -> None:
        for query in queries:
            letters.writer(query.declared).write(query.rows())

    topic = PIPELINE.dead_letter_topic
    with KafkaConsumer(bootstrap_servers=running.bootstrap, auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        answers = []
        for write in (lambda: letters.append(letters.made_of(rejected), since_ms=None), by_driver):
            before = consumer.end_offsets(partitions)
            write()
            answers.append(read(consumer, before))
    assert answers[0] == answers[1]
    assert len(answers[1]) == len(values) * 2
    arrived = str(round(ARRIVED.timestamp() * 1000)).encode()
    assert {headers["source_timestamp"] for _, _, headers in answers[1]} == {arrived}


def test_letters_that_are_there_are_not_appended_again(spark: SparkSession, running: Environment) -> None:
    """However old they are, if asked for; those of a recreated topic are others."""
    config = replace(job_config("orders_payments"), kafka=KafkaConfig(bootstrap=running.bootstrap))
    letters = DeadLetters(spark, PIPELINE, config)
    records = kafka_rows(spark, PIPELINE.streams[0].topic, [b"[", None]).selectExpr("false AS is_control", "*")
    later = records.withColumn("timestamp", F.expr("timestamp + INTERVAL 1 SECOND"))

    def appended(rejected: DataFrame, since_ms: int | None) -> int:
        before = ends()
        letters.append(letters.made_of(rejected.cache()), since_ms=since_ms)
        return ends() - before

    with KafkaConsumer(bootstrap_servers=running.bootstrap) as consumer:
        topic = PIPELINE.dead_letter_topic
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]

        def ends() -> int:
            return sum(consumer.end_offsets(partitions).values())

        appended(records, None)
        assert appended(records, 0) == 0
        assert appended(records, round(time.time() * 1000) + 3_600_000) == 2
        assert appended(later, 0) == 2


def read(consumer: KafkaConsumer, since: dict[TopicPartition, int]) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
    """Returns the records that were appended, in the order of their keys."""
    ends = consumer.end_offsets(list(since))
    for partition, offset in since.items():
        consumer.seek(partition, offset)
    found: list[Any] = []
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        found += [record for records in consumer.poll(timeout_ms=500).values() for record in records]
    return sorted(((record.key, record.value, dict(record.headers)) for record in found), key=lambda each: each[0])
