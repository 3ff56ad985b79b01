package live.scenarios;

import java.util.ArrayList;
import java.util.List;
import live.Client;
import live.Differs;
import live.Stage;

/** What several scenarios ask of a directory. */
final class Directories {
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    private Directories() {}

    /** Lines of {@code side state} that a client can see as well. */
    static List<String> visible(List<String> state) {
        List<String> lines = new ArrayList<>();
        for (String kind : List.of("id ", "bounds ")) {
            state.stream().filter(line -> line.startsWith(kind)).forEach(lines::add);
        }
        return lines;
    }

    /** That clients see the ids, bounds and records that strandline sees in the directory. */
    static void same(List<String> state, List<String> records, Client client) throws Exception {
        Differs.lists("ids and bounds", visible(state), client.state());
        Differs.lists("records", records, client.read());
    }
}
