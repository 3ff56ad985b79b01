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

/** A broker's own directory is adopted, appended to, given back after a clean close and after kill -9. */
public final class OwnDirectory implements Scenario {
    @Override
    public String name() {
        return "own-directory";
    }

    @Override
    public String promise() {
        return "adopted, appended to in each codec, given back: no recovery after a close, nothing lost after kill -9";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        Broker broker = Broker.fresh(stage, dir).start();
        Client client = new Client(broker);
        client.create("events", 1, 1, Map.of("retention.ms", "-1", "segment.bytes", "1048576"));
        List<String> sent = new ArrayList<>();
        for (String codec : Directories.CODECS) {
            sent.addAll(client.produce("events", 0, codec, 3, "kafka-" + codec));
        }
        client.transaction("first", "events", 2, true);
        sent.addAll(List.of("first-0", "first-1"));
        List<String> before = client.read();
        broker.stop();

        refusesWithoutAdopt(stage, dir);
        stage.strandline("adopt", "-d", dir.toString());
        Differs.lists("records, as strandline reads them", before, stage.side("read", dir.toString()));
        Differs.unless(stage.side("state", dir.toString()).contains("setting events segment.bytes 1048576"),
                "settings are not those of Kafka's metadata");
        for (String codec : Directories.CODECS) {
            for (String line : stage.side("append", dir.toString(), "events", "0", codec, "3", "ours-" + codec)) {
                sent.add(line.split(" ")[1]);
            }
        }
        List<String> state = stage.side("state", dir.toString());
        List<String> records = stage.side("read", dir.toString());
        broker.start();
        broker.beganCleanly();
        broker.complainedOfNothing();
        Directories.same(state, records, client);
        Differs.once("after a close", sent, client.values("events", 0), "");
        sent.addAll(client.produce("events", 0, "lz4", 3, "again"));
        client.transaction("second", "events", 2, true);
        sent.addAll(List.of("second-0", "second-1"));
        holds(stage, dir);
        broker.stop();

        for (String codec : Directories.CODECS) {
            sent.addAll(Killed.whileAppending(stage, dir, "events", codec, "killed-" + codec));
            broker.start();
            broker.complainedOfNothing();
            Differs.once("after kill -9", sent, client.values("events", 0), "killed-.*");
            // What was appended and not acknowledged may be there; from now on it is.
            sent = new ArrayList<>(client.values("events", 0));
            sent.addAll(client.produce("events", 0, codec, 2, "behind-" + codec));
            broker.stop();
        }
        List<String> last = stage.side("read", dir.toString());
        broker.start();
        Differs.lists("records at last", last, client.read());
        broker.stop();
    }

    private static void refusesWithoutAdopt(Stage stage, Path dir) throws Exception {
        try {
            stage.side("append", dir.toString(), "events", "0", "none", "1", "never");
        } catch (java.io.IOException refused) {
            Differs.unless(refused.getMessage().contains("NeedsAdopt"), refused.getMessage());
            return;
        }
        throw new Differs("a directory of Kafka's was written to without having been adopted");
    }

    /** A running broker holds the directory. */
    private static void holds(Stage stage, Path dir) throws Exception {
        List<Path> before = names(dir);
        try {
            stage.strandline("adopt", "-d", dir.toString());
        } catch (java.io.IOException refused) {
            Differs.unless(refused.getMessage().contains("in use"), refused.getMessage());
            Differs.lists("files", before.stream().map(Path::toString).toList(), names(dir).stream().map(Path::toString).toList());
            return;
        }
        throw new Differs("a running broker's directory was opened for writing");
    }

    private static List<Path> names(Path dir) throws Exception {
        try (var names = Files.list(dir)) {
            return names.sorted().toList();
        }
    }
}
