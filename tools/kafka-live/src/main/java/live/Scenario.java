package live;

import java.util.List;

/** Something that must be true between strandline and real brokers. See README.md, "How to add one". */
public interface Scenario {
    /** Its name, for {@code --only} and the report. */
    String name();

    /** What is true if it passes, in one line. */
    String promise();

    /** The versions of Kafka that it is played with: those with KRaft, unless it says otherwise. */
    default List<String> versions() {
        return List.of("4.3.1", "3.9.2");
    }

    /** Plays it. Whatever it throws is the failure; {@link Differs} says what differed. */
    void play(Stage stage) throws Exception;
}
