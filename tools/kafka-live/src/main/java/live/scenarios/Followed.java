package live.scenarios;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;

/** A reader of ours follows a partition that a broker is writing. */
public final class Followed implements Scenario {
    private static final int ROUNDS = 4;
    private static final int EACH = 3000;

    @Override
    public String name() {
        return "followed";
    }

    @Override
    public String promise() {
        return "a reader beside a broker misses and doubles nothing, over rolls, a stop and a kill of the broker";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        Broker broker = Broker.fresh(stage, dir).start();
        Client client = new Client(broker);
        client.create("events", 1, 1, Map.of("segment.bytes", "1048576", "retention.ms", "-1"));
        List<String> sent = new ArrayList<>(client.produce("events", 0, "none", 1, "first"));
        Path output = stage.root.resolve("followed.txt");
        int all = 1 + ROUNDS * EACH;
        Process follower = stage.forever(output, "follow", dir.toString(), "events", "0", "" + all);
        String padding = "x".repeat(400);
        for (int round = 0; round < ROUNDS; round++) {
            String codec = Directories.CODECS.get(round);
            sent.addAll(client.produce("events", 0, codec, EACH, round + "-" + padding));
            if (round == 1) {
                broker.stop();
                broker.start();
            } else if (round == 2) {
                broker.kill();
                broker.start();
            }
        }
        Differs.unless(follower.waitFor(120, TimeUnit.SECONDS), "the reader did not get all of it");
        List<String> seen = new ArrayList<>();
        for (String line : Files.readAllLines(output)) {
            seen.add(line.substring(line.indexOf(' ') + 1));
        }
        Differs.lists("what was followed", sent, seen);
        try (var segments = Files.list(dir.resolve("events-0"))) {
            long count = segments.filter(path -> path.toString().endsWith(".log")).count();
            Differs.unless(count > 2, "the log did not roll");
        }
        broker.stop();
    }
}
