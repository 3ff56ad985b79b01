package live;

import java.util.Collection;
import java.util.Iterator;
import java.util.TreeMap;

/** Two things that should be the same are not. */
public final class Differs extends Exception {
    private static final long serialVersionUID = 1;

    public Differs(String message) {
        super(message);
    }

    /** Fails unless {@code condition} holds. */
    public static void unless(boolean condition, String otherwise) throws Differs {
        if (!condition) {
            throw new Differs(otherwise);
        }
    }

    /** Fails with the first element in which two lists differ. */
    public static void lists(String what, Collection<String> wanted, Collection<String> found)
            throws Differs {
        Iterator<String> left = wanted.iterator();
        Iterator<String> right = found.iterator();
        for (int at = 0; left.hasNext() || right.hasNext(); at++) {
            String one = left.hasNext() ? left.next() : "nothing";
            String other = right.hasNext() ? right.next() : "nothing";
            if (!one.equals(other)) {
                throw new Differs(String.format("%s: %d wanted, %d found; number %d: wanted %s, found %s",
                        what, wanted.size(), found.size(), at, cut(one), cut(other)));
            }
        }
    }

    /** That each of {@code wanted} was found once, and nothing else but what {@code allowed} matches. */
    public static void once(String what, Collection<String> wanted, Collection<String> found, String allowed)
            throws Differs {
        TreeMap<String, Integer> counts = new TreeMap<>();
        for (String one : found) {
            counts.merge(one, 1, Integer::sum);
        }
        for (String one : wanted) {
            Integer count = counts.remove(one);
            unless(count != null, what + ": " + one + " is lost");
            unless(count == 1, what + ": " + one + " is there " + count + " times");
        }
        for (var other : counts.entrySet()) {
            unless(other.getKey().matches(allowed), what + ": " + other.getKey() + " was never sent");
            unless(other.getValue() == 1, what + ": " + other.getKey() + " is there twice");
        }
    }

    private static String cut(String text) {
        return text.length() > 200 ? text.substring(0, 200) + "…" : text;
    }
}
