"""An Apache Kafka broker of the test run's own: one KRaft node from Maven's jars."""

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

from tests.services.process import Process, answers, free_port

POM = Path(__file__).parent / "kafka" / "pom.xml"
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
JAVA_MIN = 17
# Short lists of small things: a heap for tests, no waiting for members that never come.
PROPERTIES = """
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
log.retention.check.interval.ms=1000
"""


class Broker:
    """A broker on the loopback, without encryption or passwords."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tickstream-kafka-"))
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        properties = self._folder / "server.properties"
        text = PROPERTIES.format(port=self.port, controller=free_port(), data=self._folder / "data")
        properties.write_text(text, "utf-8")
        java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*"]
        _format([*java, "kafka.tools.StorageTool"], properties)
        self._process = Process([*java, "kafka.Kafka", str(properties)], self._folder / "log")

    def start(self) -> None:
        self._process.start(lambda: answers(self.port))

    def kill(self) -> None:
        """Crash it; `start` lets it recover."""
        self._process.kill()

    def freeze(self) -> None:
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send(signal.SIGCONT)

    def close(self) -> None:
        self._process.stop(signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)


def missing() -> str | None:
    """Why no broker can be started here."""
    if _java_version() < JAVA_MIN:
        return f"Java {JAVA_MIN} or later is not installed (Debian: openjdk-17-jre-headless)"
    if not _folder_of_jars().exists() and shutil.which("mvn") is None:
        return "Maven is not installed and Kafka's jars are not in .cache/kafka (Debian: maven)"
    return None


def jars() -> Path:
    """The folder with the broker's jars; Maven fetches them once for each version of pom.xml."""
    folder = _folder_of_jars()
    if not folder.exists():
        fetched = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
        command = ["mvn", "--batch-mode", "--quiet", "--file", str(POM), COPY_JARS]
        done = subprocess.run(
            [*command, "-DincludeScope=runtime", f"-DoutputDirectory={fetched}"], capture_output=True, check=False
        )
        if done.returncode != 0:
            shutil.rmtree(fetched, ignore_errors=True)
            raise RuntimeError(f"Maven could not fetch Kafka's jars:\n{done.stdout.decode('utf-8', 'replace')[-2000:]}")
        fetched.rename(folder)
    return folder


def _folder_of_jars() -> Path:
    return CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]


def _java_version() -> int:
    """The major version of Java here; 0 where there is none."""
    if shutil.which("java") is None:
        return 0
    said = subprocess.run(["java", "-version"], capture_output=True, check=False).stderr.decode()
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def _format(tool: list[str], properties: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [*tool, "format", "--standalone", f"--cluster-id={cluster}", "--config", str(properties)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"Kafka's storage could not be formatted: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
