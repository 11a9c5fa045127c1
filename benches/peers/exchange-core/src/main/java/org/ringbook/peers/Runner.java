package org.ringbook.peers;

import exchange.core2.core.ExchangeApi;
import exchange.core2.core.ExchangeCore;
import exchange.core2.core.common.Order;
import exchange.core2.core.common.OrderAction;
import exchange.core2.core.common.api.binary.BatchAddSymbolsCommand;
import exchange.core2.core.common.api.reports.SingleUserReportQuery;
import exchange.core2.core.common.api.reports.SingleUserReportResult;
import exchange.core2.core.common.api.reports.TotalCurrencyBalanceReportQuery;
import exchange.core2.core.common.api.reports.TotalCurrencyBalanceReportResult;
import exchange.core2.core.common.cmd.CommandResultCode;
import exchange.core2.core.common.config.ExchangeConfiguration;
import exchange.core2.core.common.config.OrdersProcessingConfiguration;
import exchange.core2.core.common.config.PerformanceConfiguration;
import exchange.core2.core.orderbook.OrderBookDirectImpl;
import org.eclipse.collections.impl.map.mutable.primitive.IntLongHashMap;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs a command file through exchange-core: one matching engine, one risk engine, full risk processing, no journal.
 *
 * <p>Threads block while they wait, so that two cores are enough; nothing here measures speed.
 */
public final class Runner {
    /** After so long without an answer the run is given up. */
    private static final long PATIENCE_S = 120;

    private final ExchangeApi api;
    private final Results results;
    private final List<Long> users = new ArrayList<>();
    private int transfer = 1;

    private Runner(ExchangeApi api, Results results) {
        this.api = api;
        this.results = results;
    }

    /** Arguments: command file, result file. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 2) {
            System.err.println("usage: Runner COMMANDS RESULTS");
            System.exit(2);
        }
        int status = 0;
        try (BufferedReader commands = Files.newBufferedReader(Path.of(arguments[0]));
             Results results = new Results(Files.newBufferedWriter(Path.of(arguments[1])))) {
            ExchangeCore core = ExchangeCore.builder()
                .resultsConsumer((command, sequence) -> results.accept(command))
                .exchangeConfiguration(configuration())
                .build();
            core.startup();
            long begin = System.nanoTime();
            long lines = new Runner(core.getApi(), results).run(commands);
            System.out.printf("exchange-core: %d lines in, %d lines out, %.1f s%n",
                lines, results.written(), (System.nanoTime() - begin) / 1e9);
        } catch (TimeoutException error) {
            System.err.println("exchange-core did not answer within " + PATIENCE_S + " s; its threads may have died");
            status = 1;
        }
        // The core's threads are not daemons, and its own shutdown waits for them without a bound.
        System.exit(status);
    }

    private static ExchangeConfiguration configuration() {
        return ExchangeConfiguration.defaultBuilder()
            .performanceCfg(PerformanceConfiguration.baseBuilder()
                .orderBookFactory(OrderBookDirectImpl::new)
                .build())
            .ordersProcessingCfg(OrdersProcessingConfiguration.builder()
                .riskProcessingMode(OrdersProcessingConfiguration.RiskProcessingMode.FULL_PER_CURRENCY)
                .marginTradingMode(OrdersProcessingConfiguration.MarginTradingMode.MARGIN_TRADING_DISABLED)
                .build())
            .build();
    }

    private long run(BufferedReader commands) throws Exception {
        long at = 0;
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            at++;
            switch (line.isEmpty() ? '#' : line.charAt(0)) {
                case '#':
                    break;
                case 'S':
                    CommandResultCode code = wait(api.submitBinaryDataAsync(new BatchAddSymbolsCommand(Commands.symbol(line))));
                    if (code != CommandResultCode.SUCCESS) {
                        throw new IOException("line " + at + ": the symbol was refused: " + code);
                    }
                    break;
                case 'G':
                    // Ends the group: what came before is settled before the risk engine looks at the next command.
                    api.groupingControl(at, 1);
                    break;
                case 'Q':
                    writeState(at);
                    break;
                case 'U':
                    users.add(Long.parseLong(line.substring(2)));
                    // falls through: a user is a command like any other
                default:
                    api.submitCommand(Commands.parse(line, at));
            }
        }
        // A report comes back after everything before it.
        wait(api.processReport(new TotalCurrencyBalanceReportQuery(), transfer++));
        return at;
    }

    /** Balances and open orders of all users, then fees and adjustments by asset, all in ascending order. */
    private void writeState(long at) throws Exception {
        List<Future<SingleUserReportResult>> reports = new ArrayList<>();
        for (long user : users) {
            reports.add(api.processReport(new SingleUserReportQuery(user), transfer++));
        }
        Future<TotalCurrencyBalanceReportResult> sums = api.processReport(new TotalCurrencyBalanceReportQuery(), transfer++);
        for (int i = 0; i < reports.size(); i++) {
            // The report that comes back is merged from parts and has lost its user.
            long user = users.get(i);
            SingleUserReportResult report = wait(reports.get(i));
            ascending(report.getAccounts()).forEach((asset, amount) ->
                results.state(at, "B " + user + " " + asset + " " + amount));
            TreeMap<Long, String> orders = new TreeMap<>();
            report.getOrders().forEachKeyValue((symbol, list) -> {
                for (Order order : list) {
                    orders.put(order.orderId, "O " + user + " " + symbol + " " + order.orderId + " "
                        + (order.action == OrderAction.BID ? "BUY" : "SELL") + " " + order.price + " "
                        + (order.size - order.filled));
                }
            });
            orders.values().forEach(text -> results.state(at, text));
        }
        TotalCurrencyBalanceReportResult total = wait(sums);
        if (!total.isGlobalBalancesAllZero()) {
            throw new IllegalStateException("line " + at + ": exchange-core's own balances do not add up to zero");
        }
        ascending(total.getFees()).forEach((asset, amount) -> results.state(at, "F " + asset + " " + amount));
        ascending(total.getAdjustments()).forEach((asset, amount) -> results.state(at, "X " + asset + " " + amount));
    }

    /** Amounts by asset, without zeros. */
    private static TreeMap<Integer, Long> ascending(IntLongHashMap amounts) {
        TreeMap<Integer, Long> sorted = new TreeMap<>();
        amounts.forEachKeyValue((asset, amount) -> {
            if (amount != 0) {
                sorted.put(asset, amount);
            }
        });
        return sorted;
    }

    private static <T> T wait(Future<T> answer) throws InterruptedException, ExecutionException, TimeoutException {
        return answer.get(PATIENCE_S, TimeUnit.SECONDS);
    }
}
