package live.scenarios;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import live.Stage;

/** A process of ours that dies. */
final class Killed {
    private static final int ACKNOWLEDGED = 25;

    private Killed() {}

    /** Appends, and is killed with kill -9 on its way; the values that were acknowledged until then. */
    static List<String> whileAppending(Stage stage, Path dir, String topic, String codec, String prefix)
            throws Exception {
        Path output = stage.root.resolve(prefix + ".txt");
        Process process = stage.forever(output, "forever", dir.toString(), topic, "0", codec, prefix);
        while (process.isAlive() && acknowledged(output).size() < ACKNOWLEDGED) {
            Thread.sleep(5);
        }
        process.destroyForcibly();
        process.waitFor();
        return acknowledged(output);
    }

    private static List<String> acknowledged(Path output) throws Exception {
        List<String> values = new ArrayList<>();
        String text = Files.readString(output);
        for (String line : text.substring(0, text.lastIndexOf('\n') + 1).split("\n")) {
            if (line.contains(" ")) {
                values.add(line.split(" ")[1]);
            }
        }
        return values;
    }
}
