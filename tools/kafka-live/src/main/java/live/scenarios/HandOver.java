package live.scenarios;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;

/** A store that strandline made goes on in Kafka, and comes back. */
public final class HandOver implements Scenario {
    private final boolean killed;

    public HandOver(boolean killed) {
        this.killed = killed;
    }

    @Override
    public String name() {
        return killed ? "hand-over-after-kill" : "hand-over";
    }

    @Override
    public String promise() {
        return "handed over" + (killed ? " after kill -9" : "")
                + ": same ids, bounds, settings and records; producers go on; everything is read here again";
    }

    /** Fills a store, hands it over, and starts a broker on it. */
    static Broker started(Stage stage, Path dir, boolean killed, List<String> records, List<String> state)
            throws Exception {
        stage.side("fill", dir.toString());
        if (killed) {
            Killed.whileAppending(stage, dir, "codecs", "zstd", "killed");
        }
        Broker broker = given(stage, dir);
        records.addAll(stage.side("read", dir.toString()));
        state.addAll(stage.side("state", dir.toString()));
        return broker.start();
    }

    /** Hands a store over; the broker that can be started on it. */
    static Broker given(Stage stage, Path dir) throws Exception {
        int port = stage.port();
        String release = stage.version.substring(0, 3);
        String[] options = {"-d", dir.toString(), "--kafka", release, "--listener", "127.0.0.1:" + port,
            "--controller", "127.0.0.1:" + stage.port()};
        List<String> check = stage.strandline(with(options, "hand-over", "--check"));
        Differs.unless(check.stream().anyMatch(line -> line.contains("can be handed over")), check.toString());
        Differs.unless(!Files.exists(dir.resolve("meta.properties")), "--check wrote something");
        List<String> printed = stage.strandline(with(options, "hand-over", "--start-script"));
        printed.removeIf(line -> line.startsWith("note:"));
        return Broker.handedOver(stage, dir, port, printed, "broker");
    }

    private static String[] with(String[] options, String... first) {
        List<String> all = new ArrayList<>(List.of(first));
        all.addAll(List.of(options));
        return all.toArray(String[]::new);
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        List<String> records = new ArrayList<>();
        List<String> state = new ArrayList<>();
        Broker broker = started(stage, dir, killed, records, state);
        // No controller knows this broker yet, and 4.x calls that an unclean stop: no more than a word.
        broker.recoveredNothing();
        broker.complainedOfNothing();
        Client client = new Client(broker);
        Directories.same(state, records, client);
        settings(stage, client);
        client.produce("codecs", 0, "gzip", 3, "more");
        client.transaction("new", "txn", 3, true);
        client.transaction("other", "txn", 3, false);
        broker.stop();
        broker.start();
        List<String> there = client.read();
        List<String> bounds = client.state();
        Differs.unless(there.size() > records.size(), "what was produced is not there");
        Differs.lists("old records", records, there.stream().filter(records::contains).toList());
        broker.stop();
        Differs.lists("records, back here", there, stage.side("read", dir.toString()));
        Differs.lists("bounds, back here", bounds, Directories.visible(stage.side("state", dir.toString())));
        stage.side("append", dir.toString(), "codecs", "1", "zstd", "3", "back");
        there = stage.side("read", dir.toString());
        broker.start();
        broker.beganCleanly();
        Differs.lists("records, in Kafka once more", there, client.read());
        broker.stop();
    }

    private static void settings(Stage stage, Client client) throws Exception {
        String small = stage.version.startsWith("3.") ? "segment.bytes" : "internal.segment.bytes";
        Map<String, Map<String, String>> wanted = Map.of(
                "codecs", Map.of("max.message.bytes", "2000000", "retention.ms", "-1"),
                "segments", Map.of("segment.bytes", "1048576", "retention.ms", "-1"),
                "small", Map.of(small, "16384", "index.interval.bytes", "512", "retention.ms", "-1"),
                "compacted", Map.of("cleanup.policy", "compact", small, "16384", "retention.ms", "-1"),
                "append-time", Map.of("message.timestamp.type", "LogAppendTime", "retention.ms", "-1"),
                "empty", Map.of("retention.ms", "-1"));
        for (var topic : wanted.entrySet()) {
            Map<String, String> found = client.settings(topic.getKey());
            // Settings that are internal to Kafka are not told to clients.
            Map<String, String> visible = new java.util.TreeMap<>(topic.getValue());
            visible.keySet().removeIf(name -> name.startsWith("internal.") && !found.containsKey(name));
            Differs.unless(found.equals(visible), "settings of " + topic.getKey() + ": wanted " + visible + ", found " + found);
        }
    }
}
