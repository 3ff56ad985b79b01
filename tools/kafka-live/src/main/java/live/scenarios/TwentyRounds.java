package live.scenarios;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;

/** Kafka and strandline take turns on one directory, and end in order or are killed. */
public final class TwentyRounds implements Scenario {
    private static final int ROUNDS = 20;

    @Override
    public String name() {
        return "twenty-rounds";
    }

    @Override
    public String promise() {
        return "twenty rounds of Kafka and strandline on one directory, stopped and killed by turns, lose and double nothing";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        Broker broker = Broker.fresh(stage, dir).start();
        Client client = new Client(broker);
        client.create("events", 1, 1, Map.of("retention.ms", "-1"));
        List<String> sent = new ArrayList<>();
        for (int round = 0; round < ROUNDS; round++) {
            String codec = Directories.CODECS.get(round % Directories.CODECS.size());
            sent.addAll(client.produce("events", 0, codec, 5, String.format("r%02d-kafka", round)));
            if (round % 4 < 2) {
                broker.stop();
            } else {
                broker.kill();
            }
            if (round == 0) {
                stage.strandline("adopt", "-d", dir.toString());
            }
            String prefix = String.format("r%02d-ours", round);
            if (round % 2 == 0) {
                for (String line : stage.side("append", dir.toString(), "events", "0", codec, "5", prefix)) {
                    sent.add(line.split(" ")[1]);
                }
            } else {
                sent.addAll(Killed.whileAppending(stage, dir, "events", codec, prefix));
            }
            broker.start();
            broker.complainedOfNothing();
            List<String> values = client.values("events", 0);
            Differs.once("round " + round, sent, values, prefix + ".*");
            sent = values;
        }
        broker.stop();
        Differs.unless(stage.side("read", dir.toString()).size() == sent.size() * 2, "strandline reads another number");
    }
}
