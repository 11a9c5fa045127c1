package org.ringbook.peers;

import exchange.core2.core.common.CoreSymbolSpecification;
import exchange.core2.core.common.OrderAction;
import exchange.core2.core.common.OrderType;
import exchange.core2.core.common.SymbolType;
import exchange.core2.core.common.api.ApiAddUser;
import exchange.core2.core.common.api.ApiAdjustUserBalance;
import exchange.core2.core.common.api.ApiCancelOrder;
import exchange.core2.core.common.api.ApiCommand;
import exchange.core2.core.common.api.ApiMoveOrder;
import exchange.core2.core.common.api.ApiPlaceOrder;
import exchange.core2.core.common.api.ApiReduceOrder;

/**
 * Lines of the command file as commands of exchange-core (benches/peers/README.md).
 *
 * <p>A bid's reserve price is its price: exchange-core then holds what Ringbook holds.
 */
final class Commands {
    private final String[] fields;

    private Commands(String line) {
        fields = line.split(" ");
    }

    /** A command of one line; {@code at} is the line's number and becomes the command's time stamp. */
    static ApiCommand parse(String line, long at) {
        ApiCommand command = new Commands(line).command();
        command.timestamp = at;
        return command;
    }

    private ApiCommand command() {
        switch (fields[0]) {
            case "U":
                return ApiAddUser.builder().uid(number(1)).build();
            case "D":
                return ApiAdjustUserBalance.builder()
                    .uid(number(1)).currency(small(2)).amount(number(3)).transactionId(number(4)).build();
            case "P":
                return ApiPlaceOrder.builder()
                    .uid(number(1)).symbol(small(2)).orderId(number(3))
                    .orderType(either(4, "GTC", OrderType.GTC, "IOC", OrderType.IOC))
                    .action(either(5, "BUY", OrderAction.BID, "SELL", OrderAction.ASK))
                    .price(number(6)).reservePrice(number(6)).size(number(7)).build();
            case "C":
                return ApiCancelOrder.builder().uid(number(1)).symbol(small(2)).orderId(number(3)).build();
            case "M":
                return ApiMoveOrder.builder()
                    .uid(number(1)).symbol(small(2)).orderId(number(3)).newPrice(number(4)).build();
            case "R":
                return ApiReduceOrder.builder()
                    .uid(number(1)).symbol(small(2)).orderId(number(3)).reduceSize(number(4)).build();
            default:
                throw new IllegalArgumentException("unknown command " + String.join(" ", fields));
        }
    }

    /** The symbol that an {@code S} line defines. */
    static CoreSymbolSpecification symbol(String line) {
        Commands of = new Commands(line);
        return CoreSymbolSpecification.builder()
            .type(SymbolType.CURRENCY_EXCHANGE_PAIR)
            .symbolId(of.small(1)).baseCurrency(of.small(2)).quoteCurrency(of.small(3))
            .baseScaleK(of.number(4)).quoteScaleK(of.number(5))
            .takerFee(of.number(6)).makerFee(of.number(7))
            .build();
    }

    private long number(int at) {
        return Long.parseLong(fields[at]);
    }

    private int small(int at) {
        return Integer.parseInt(fields[at]);
    }

    private <T> T either(int at, String first, T one, String second, T other) {
        if (fields[at].equals(first)) {
            return one;
        }
        if (fields[at].equals(second)) {
            return other;
        }
        throw new IllegalArgumentException(fields[at] + " is neither " + first + " nor " + second);
    }
}
