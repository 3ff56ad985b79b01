package live.scenarios;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import live.Broker;
import live.Client;
import live.Differs;
import live.Scenario;
import live.Stage;

/** A log that strandline compacted goes on in Kafka, with the last record of each key and no other. */
public final class Cleaned implements Scenario {
    private static final int RECORDS = 1_000_000;
    private static final int KEYS = 100_000;

    @Override
    public String name() {
        return "cleaned";
    }

    @Override
    public String promise() {
        return "of a million records over 100,000 keys the last of each is left, Kafka serves those and appends to them";
    }

    @Override
    public void play(Stage stage) throws Exception {
        Path dir = stage.root.resolve("data");
        List<String> last = stage.side("keyed", dir.toString(), "" + RECORDS, "" + KEYS);
        Differs.unless(last.size() > KEYS * 9 / 10, "only " + last.size() + " keys were used");
        List<String> records = stage.side("read", dir.toString());
        Differs.lists("last records", last, keysAndValues(records));
        Broker broker = HandOver.given(stage, dir).start();
        broker.recoveredNothing();
        broker.complainedOfNothing();
        Client client = new Client(broker);
        Differs.lists("records, in Kafka", records, client.read());
        client.produce("keyed", 0, "zstd", 3, "behind");
        broker.stop();
        broker.start();
        List<String> there = client.read();
        Differs.unless(there.size() == records.size() + 6, "what was produced is not there, or something is gone");
        broker.stop();
        Differs.lists("records, back here", there, stage.side("read", dir.toString()));
    }

    /** Key and value of each record that a reader of everything sees, by key. */
    private static List<String> keysAndValues(List<String> records) {
        List<String> found = new ArrayList<>();
        for (String line : records) {
            String[] parts = line.split(" ");
            if (parts[0].equals("U")) {
                found.add(text(parts[6]) + " " + text(parts[7]));
            }
        }
        found.sort(null);
        return found;
    }

    private static String text(String hex) {
        return new String(HexFormat.of().parseHex(hex.substring(1)), StandardCharsets.UTF_8);
    }
}
