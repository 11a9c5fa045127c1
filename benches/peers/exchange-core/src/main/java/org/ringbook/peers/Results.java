package org.ringbook.peers;

import exchange.core2.core.common.MatcherTradeEvent;
import exchange.core2.core.common.cmd.CommandResultCode;
import exchange.core2.core.common.cmd.OrderCommand;
import exchange.core2.core.common.cmd.OrderCommandType;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;

/**
 * Writes the result file: one line for each command, in the order of the commands (benches/peers/README.md).
 *
 * <p>The command's line number travels through the core in {@code OrderCommand.timestamp}, which its rules never read.
 *
 * <p>Invariant: written by one thread at a time: the core's results thread while commands run, the main thread only
 * after the reports have come back and nothing is on its way.
 */
final class Results implements Closeable {
    private final Writer out;
    private final StringBuilder line = new StringBuilder(256);
    private long written;

    Results(Writer out) {
        this.out = out;
    }

    /** Takes a processed command from the core; commands that are not of the file (line 0) are skipped. */
    void accept(OrderCommand command) {
        if (command.timestamp == 0 || !isOfTheFile(command.command)) {
            return;
        }
        line.setLength(0);
        line.append(command.timestamp).append(' ').append(name(command.resultCode));
        // What a refused command would carry is not of this command.
        if (command.resultCode == CommandResultCode.SUCCESS) {
            for (MatcherTradeEvent event = command.matcherEvent; event != null; event = event.nextEvent) {
                append(event);
            }
        }
        write(line);
    }

    private void append(MatcherTradeEvent event) {
        switch (event.eventType) {
            case TRADE:
                line.append(" T:").append(event.matchedOrderId).append(':').append(event.matchedOrderUid)
                    .append(':').append(event.price).append(':').append(event.size)
                    .append(':').append(event.matchedOrderCompleted ? 1 : 0);
                break;
            case REJECT:
                line.append(" J:").append(event.size);
                break;
            case REDUCE:
                line.append(" E:").append(event.size).append(':').append(event.activeOrderCompleted ? 1 : 0);
                break;
            default:
                throw new IllegalStateException("unexpected event " + event.eventType);
        }
    }

    private static boolean isOfTheFile(OrderCommandType type) {
        switch (type) {
            case PLACE_ORDER:
            case CANCEL_ORDER:
            case MOVE_ORDER:
            case REDUCE_ORDER:
            case ADD_USER:
            case BALANCE_ADJUSTMENT:
            case GROUPING_CONTROL:
                return true;
            default:
                return false;
        }
    }

    /** The word that the result format has for a code of exchange-core. */
    private static String name(CommandResultCode code) {
        switch (code) {
            case SUCCESS:
                return "OK";
            case RISK_NSF:
            case USER_MGMT_ACCOUNT_BALANCE_ADJUSTMENT_NSF:
                return "NO_FUNDS";
            case AUTH_INVALID_USER:
                return "UNKNOWN_USER";
            case INVALID_SYMBOL:
            case MATCHING_INVALID_ORDER_BOOK_ID:
                return "UNKNOWN_SYMBOL";
            case MATCHING_UNKNOWN_ORDER_ID:
                return "UNKNOWN_ORDER";
            case MATCHING_MOVE_FAILED_PRICE_OVER_RISK_LIMIT:
                return "ABOVE_RESERVE";
            case MATCHING_REDUCE_FAILED_WRONG_SIZE:
                return "WRONG_SIZE";
            default:
                return "OTHER:" + code;
        }
    }

    /** Writes a line of its own: the state after a {@code Q}. */
    void state(long at, String text) {
        line.setLength(0);
        line.append(at).append(' ').append(text);
        write(line);
    }

    private void write(CharSequence text) {
        try {
            out.append(text).append('\n');
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        written++;
    }

    long written() {
        return written;
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
