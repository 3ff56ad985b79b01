package live;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;

/** A real broker, a process of its own on the loopback interface with a bounded heap. */
public final class Broker {
    private static final String HEAP = "-Xmx384m";
    private final Stage stage;
    private final String version;
    private final Path dir;
    private final Path log;
    private final Path settings;
    public final int port;
    private Process process;

    private Broker(Stage stage, String version, Path dir, int port, String settings, String name)
            throws IOException {
        this.stage = stage;
        this.version = version;
        this.dir = dir;
        this.port = port;
        this.log = stage.root.resolve(name + ".log");
        this.settings = stage.root.resolve(name + ".properties");
        Files.writeString(this.settings, settings + common());
    }

    private static String common() {
        return String.join("\n",
                "",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.num.partitions=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "auto.create.topics.enable=false",
                "num.network.threads=2",
                "num.io.threads=2",
                "log.cleaner.dedupe.buffer.size=8388608",
                "");
    }

    /** A KRaft node, broker and controller, on a directory that is formatted as a new cluster. */
    public static Broker fresh(Stage stage, Path dir) throws Exception {
        Broker broker = kraft(stage, dir, 1, stage.port(), stage.port(), "broker");
        broker.format("--standalone", "bG9jYWwtY2x1c3Rlci0xMQ");
        return broker;
    }

    /** A KRaft node on a directory that is ready for it; {@code controller} is the first one's port. */
    public static Broker kraft(Stage stage, Path dir, int id, int port, int controller, String name)
            throws IOException {
        return joining(stage, dir, id, port, controller, controller, name);
    }

    /** One that joins the quorum of the controller at {@code first}. */
    public static Broker joining(Stage stage, Path dir, int id, int port, int controller, int first, String name)
            throws IOException {
        String settings = String.join("\n",
                "process.roles=broker,controller",
                "node.id=" + id,
                "controller.quorum.bootstrap.servers=127.0.0.1:" + first,
                "listeners=PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controller,
                "controller.listener.names=CONTROLLER",
                "log.dirs=" + dir);
        return new Broker(stage, stage.version, dir, port, settings, name);
    }

    /** A broker on a directory that was handed over, with the settings that the hand-over printed. */
    public static Broker handedOver(Stage stage, Path dir, int port, List<String> printed, String name)
            throws IOException {
        return new Broker(stage, stage.version, dir, port, String.join("\n", printed), name);
    }

    /** A broker of the time before KRaft. */
    public static Broker withZooKeeper(Stage stage, String version, Path dir, int zooKeeper) throws IOException {
        int port = stage.port();
        String settings = String.join("\n",
                "broker.id=1",
                "listeners=PLAINTEXT://127.0.0.1:" + port,
                "zookeeper.connect=127.0.0.1:" + zooKeeper,
                "log.message.format.version=" + "2.8",
                "log.dirs=" + dir);
        return new Broker(stage, version, dir, port, settings, "broker");
    }

    /** Formats the directory for a cluster. */
    public void format(String how, String cluster) throws Exception {
        List<String> command = java("kafka.tools.StorageTool");
        command.addAll(List.of("format", how, "-t", cluster, "-c", settings.toString()));
        stage.run(command);
    }

    private List<String> java(String main) {
        return new ArrayList<>(List.of("java", HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
                "-Dorg.slf4j.simpleLogger.log.state.change.logger=error",
                "-cp", stage.jars(version), main));
    }

    /** Starts it, and waits until it serves. */
    public Broker start() throws Exception {
        Files.writeString(log, "", StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING);
        List<String> command = java("kafka.Kafka");
        command.add(settings.toString());
        process = stage.start(log, command);
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(300);
        try (Admin admin = admin()) {
            while (true) {
                if (!process.isAlive()) {
                    throw new IOException("the broker ended: " + last(log, 15));
                }
                try {
                    if (!admin.describeCluster().nodes().get(20, TimeUnit.SECONDS).isEmpty()) {
                        return this;
                    }
                } catch (Exception error) {
                    if (System.nanoTime() > until) {
                        throw new IOException("the broker does not serve: " + last(log, 15));
                    }
                }
                Thread.sleep(200);
            }
        }
    }

    /** Stops it as an operator does. */
    public void stop() throws Exception {
        process.destroy();
        if (!process.waitFor(240, TimeUnit.SECONDS)) {
            throw new IOException("the broker does not stop: " + last(log, 15));
        }
    }

    /** kill -9. */
    public void kill() throws Exception {
        process.destroyForcibly();
        process.waitFor();
    }

    public Admin admin() {
        return Admin.create(java.util.Map.of(
                AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, "127.0.0.1:" + port,
                AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, 30000,
                AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 120000));
    }

    public Path dir() {
        return dir;
    }

    /** That it began without recovering anything. */
    public void recoveredNothing() throws Exception {
        String text = Files.readString(log);
        Differs.unless(text.contains("since clean shutdown file was found"), "Kafka recovers: the stop was not clean to it");
        for (String line : text.split("\n")) {
            // The metadata log is always recovered.
            boolean recovers = line.contains("Recovering unflushed segment") && !line.contains("__cluster_metadata");
            Differs.unless(!recovers, "Kafka recovers a segment: " + line);
        }
    }

    /** That it began as after a clean stop: the controller, which knows it, takes it for one as well. */
    public void beganCleanly() throws Exception {
        recoveredNothing();
        String text = Files.readString(log);
        Differs.unless(!text.contains("handleBrokerUncleanShutdown"), "the controller takes the stop for an unclean one");
    }

    /** That it said nothing against any file of ours, set nothing aside, and rebuilt nothing. */
    public void complainedOfNothing() throws Exception {
        for (String line : Files.readAllLines(log)) {
            boolean isLoud = line.contains(" WARN ") || line.contains(" ERROR ");
            boolean isOurs = line.matches(".*(strandline|durable\\.watermark|segments\\.manifest|quarantine).*");
            boolean isAboutLogs = line.contains("orrupt") || line.contains("stray") || line.contains("ebuild");
            Differs.unless(!(isLoud && (isOurs || isAboutLogs) && !saysSoOfItsOwn(line)), "Kafka says: " + line);
        }
        try (var names = Files.list(dir)) {
            var stray = names.filter(name -> name.toString().endsWith("-stray")).findFirst();
            Differs.unless(stray.isEmpty(), "Kafka set aside " + stray.orElse(null));
        }
    }

    /**
     * A segment to which nothing was appended has no index files, in a directory that Kafka closed as in ours (the
     * golden vectors), and Kafka calls that an error when it starts.
     */
    private static boolean saysSoOfItsOwn(String line) throws IOException {
        var file = java.util.regex.Pattern.compile("Could not find offset index file .* (/\\S+\\.log),").matcher(line);
        return file.find() && Files.size(Path.of(file.group(1))) == 0;
    }

    private static String last(Path log, int lines) throws IOException {
        List<String> all = Files.readAllLines(log);
        return String.join("\n", all.subList(Math.max(0, all.size() - lines), all.size()));
    }
}
