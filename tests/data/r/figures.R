# Asks R for the figures that tests/contract/test_r.py compares; writes figures.json.
suppressPackageStartupMessages({
  library(survey); library(sandwich); library(lmtest); library(clubSandwich); library(psych)
  library(survival); library(effectsize); library(jsonlite)
})
options(survey.lonely.psu = "fail")
d <- read.csv("responses.csv", na.strings = "")
out <- list(rows = nrow(d))
named <- function(x) setNames(as.list(unname(x)), names(x))
bounds <- function(x) as.numeric(x)

# --- Shares, net scores, means ---------------------------------------------------------------
top <- function(x) as.integer(x >= 4)
d$net <- ifelse(d$recommend >= 9, 100, ifelse(d$recommend >= 7, 0, -100))
out$shares <- lapply(split(d, d$channel), function(g) {
  x <- sum(top(g$satisfied), na.rm = TRUE); n <- sum(!is.na(g$satisfied))
  list(x = x, n = n, wilson = bounds(prop.test(x, n, correct = FALSE)$conf.int),
       wilson90 = bounds(prop.test(x, n, correct = FALSE, conf.level = 0.9)$conf.int))
})
two <- function(correct, pair) {
  g <- d[d$channel %in% pair & !is.na(d$satisfied), ]
  x <- tapply(top(g$satisfied), factor(g$channel, pair), sum)
  n <- table(factor(g$channel, pair))
  t <- prop.test(as.vector(x), as.vector(n), correct = correct)
  q <- chisq.test(table(g$channel, top(g$satisfied)), correct = correct)
  list(chisq = unname(t$statistic), p = t$p.value, interval = bounds(t$conf.int),
       table = unname(q$statistic), table_p = q$p.value)
}
out$two_shares <- list(continuity = two(TRUE, c("app", "web")), pooled = two(FALSE, c("app", "web")))
counts <- list(c(50, 100, 51, 100), c(3, 40, 0, 25), c(20, 20, 17, 19), c(1, 9, 2, 8), c(400, 900, 300, 800),
               c(0, 10, 12, 12))
out$prop_test <- lapply(counts, function(k) {
  one <- function(correct) suppressWarnings(prop.test(k[c(1, 3)], k[c(2, 4)], correct = correct))
  said <- function(t) list(chisq = unname(t$statistic), p = t$p.value, interval = bounds(t$conf.int))
  list(counts = k, continuity = said(one(TRUE)), pooled = said(one(FALSE))) })
one_nps <- function(x) {
  x <- x[!is.na(x)]; t <- t.test(x)
  list(n = length(x), score = mean(x), variance = mean((x - mean(x))^2),
       student_t = bounds(t$conf.int))
}
out$nps <- lapply(split(d$net, d$region), one_nps)
welch <- function(x, y, ...) {
  t <- t.test(x, y, ...)
  list(t = unname(t$statistic), df = unname(t$parameter), p = t$p.value,
       interval = bounds(t$conf.int), se = t$stderr,
       d = cohens_d(x, y)$Cohens_d, g = hedges_g(x, y)$Hedges_g)
}
side <- function(col, key, level) d[[col]][d[[key]] == level]
out$means <- list(
  welch = welch(side("spend", "period", "after"), side("spend", "period", "before")),
  pooled = welch(side("spend", "period", "after"), side("spend", "period", "before"), var.equal = TRUE),
  scale = welch(side("effort", "age", "old"), side("effort", "age", "young")))
out$toothgrowth <- with(ToothGrowth, list(
  welch = welch(len[supp == "OJ"], len[supp == "VC"]),
  pooled = welch(len[supp == "OJ"], len[supp == "VC"], var.equal = TRUE)))
pair <- function(x, y) { t <- t.test(x, y, paired = TRUE)
  list(t = unname(t$statistic), df = unname(t$parameter), p = t$p.value, se = t$stderr,
       difference = unname(t$estimate), interval = bounds(t$conf.int)) }
out$paired <- with(attitude, list(complaints = pair(complaints, rating), privileges = pair(privileges, complaints),
                                  learning = pair(learning, privileges)))
out$paired_with_gaps <- with(d, pair(food, staff))
out$index <- list(
  complete = with(d[complete.cases(d[, c("staff", "food")]), ], {
    x <- ((staff - 1) * 3 + (food - 1)) / 4 * 25; list(n = length(x), mean = mean(x), se = sd(x) / sqrt(length(x))) }),
  renormalise = { m <- cbind(d$staff, d$food); k <- cbind(3 * !is.na(d$staff), 1 * !is.na(d$food))
    x <- rowSums((m - 1) * 25 * k, na.rm = TRUE) / rowSums(k); x <- x[is.finite(x)]
    list(n = length(x), mean = mean(x), se = sd(x) / sqrt(length(x))) })
each <- sapply(split(d, d$region), function(g) {
  r <- d[d$region != g$region[1], ]; t.test(g$spend, r$spend)$p.value })
out$many <- list(p = named(each), holm = named(p.adjust(each, "holm")), bh = named(p.adjust(each, "BH")))
out$air <- lapply(split(airquality$Ozone, airquality$Month), function(x) {
  x <- x[!is.na(x)]; list(n = length(x), mean = mean(x), sd = sd(x), t = bounds(t.test(x)$conf.int)) })

# --- Sample sizes ----------------------------------------------------------------------------
grid <- expand.grid(p1 = c(5, 50, 80, 92), p2 = c(10, 60, 85, 97), power = c(0.8, 0.95))
out$power_prop <- lapply(seq_len(nrow(grid)), function(i) with(grid[i, ], list(
  p1 = p1, p2 = p2, power = power,
  n = power.prop.test(p1 = p1 / 100, p2 = p2 / 100, power = power, tol = 1e-10)$n)))
grid <- expand.grid(delta = c(1, 3, 10, 40), sd = c(5, 20), power = c(0.8, 0.95), level = c(0.05, 0.1))
out$power_t <- lapply(seq_len(nrow(grid)), function(i) with(grid[i, ], list(
  delta = delta, sd = sd, power = power, level = level,
  n = tryCatch(power.t.test(delta = delta, sd = sd, power = power, sig.level = level,
                            tol = 1e-10)$n, error = function(e) NA))))

# --- Regression ------------------------------------------------------------------------------
model <- function(m) {
  s <- summary(m); k <- coef(s)
  list(coef = named(k[, 1]), se = named(k[, 2]), t = named(k[, 3]), p = named(k[, 4]),
       lower = named(confint(m)[, 1]), upper = named(confint(m)[, 2]), r2 = s$r.squared,
       adj_r2 = s$adj.r.squared, sigma = s$sigma, f = unname(s$fstatistic[1]),
       f_p = unname(pf(s$fstatistic[1], s$fstatistic[2], s$fstatistic[3], lower.tail = FALSE)),
       df = m$df.residual, rss = deviance(m), vif = tryCatch(named(car::vif(m)), error = function(e) NULL),
       hc0 = named(sqrt(diag(vcovHC(m, "HC0")))), hc1 = named(sqrt(diag(vcovHC(m, "HC1")))),
       hc2 = named(sqrt(diag(vcovHC(m, "HC2")))), hc3 = named(sqrt(diag(vcovHC(m, "HC3")))))
}
shares <- function(y, X, w = rep(1, length(y))) {
  r2 <- function(some) if (length(some) == 0) 0 else
    summary(lm(y ~ X[, some, drop = FALSE], weights = w))$r.squared
  p <- ncol(X); all <- seq_len(p)
  sets <- lapply(0:(2^p - 1), function(b) all[bitwAnd(b, 2^(all - 1)) > 0])
  value <- sapply(sets, r2); index <- function(some) sum(2^(some - 1)) + 1
  lmg <- sapply(all, function(j) sum(sapply(sets[!sapply(sets, function(s) j %in% s)], function(s)
    factorial(length(s)) * factorial(p - 1 - length(s)) / factorial(p) *
      (value[index(c(s, j))] - value[index(s)]))))
  C <- cov.wt(cbind(y, X), wt = w / sum(w), cor = TRUE)$cor
  R <- C[-1, -1]; r <- C[-1, 1]; e <- eigen(R)
  L <- e$vectors %*% diag(sqrt(e$values)) %*% t(e$vectors)
  list(lmg = setNames(as.list(lmg), colnames(X)),
       johnson = setNames(as.list(as.vector(L^2 %*% solve(L, r)^2)), colnames(X)),
       first = setNames(as.list(r^2), colnames(X)),
       last = setNames(as.list(value[2^p] - sapply(all, function(j) value[index(all[-j])])), colnames(X)),
       pratt = setNames(as.list(solve(R, r) * r), colnames(X)), beta = setNames(as.list(solve(R, r)), colnames(X)))
}
out$lm <- list(
  mtcars = model(lm(mpg ~ wt + hp + qsec + drat, mtcars)),
  swiss = model(lm(Fertility ~ ., swiss)), attitude = model(lm(rating ~ ., attitude)),
  airquality = model(lm(Ozone ~ Solar.R + Wind + Temp, airquality)),
  stackloss = model(lm(stack.loss ~ ., stackloss)))
out$shares_of_r2 <- list(
  mtcars = with(mtcars, shares(mpg, cbind(wt = wt, hp = hp, qsec = qsec, drat = drat))),
  swiss = with(swiss, shares(Fertility, as.matrix(swiss[, -1]))),
  stackloss = with(stackloss, shares(stack.loss, as.matrix(stackloss[, 1:3]))))
d$complete <- complete.cases(d[, c("satisfied", "staff", "food", "room")])
k <- d[d$complete, ]
m <- lm(satisfied ~ staff + food + room, k); mw <- lm(satisfied ~ staff + food + room, k, weights = w)
out$lm$responses <- model(m); out$lm$weighted <- model(mw)
out$shares_of_r2$responses <- with(k, shares(satisfied, cbind(staff = staff, food = food, room = room)))
out$shares_of_r2$weighted <- with(k, shares(satisfied, cbind(staff = staff, food = food, room = room), w))
f_of <- function(f, p) list(f = f[2], p = p[2])
wald <- function(v) { t <- waldtest(m, vcov = v); f_of(t$F, t$`Pr(>F)`) }
all_of <- function(g) { t <- regTermTest(g, ~ staff + food + room); list(f = as.numeric(t$Ftest), p = as.numeric(t$p)) }
out$wald <- list(HC0 = wald(vcovHC(m, "HC0")), HC1 = wald(vcovHC(m, "HC1")), cluster = wald(vcovCL(m, ~store)),
  design = all_of(svyglm(satisfied ~ staff + food + room, svydesign(~1, weights = ~w, data = k))),
  design_cluster = all_of(svyglm(satisfied ~ staff + food + room, svydesign(~store, weights = ~w, data = k))))
clustered <- function(m, target) {
  v <- vcovCR(m, cluster = k$store, type = "CR2", target = target)
  t <- coef_test(m, v, test = "Satterthwaite"); ci <- conf_int(m, v, test = "Satterthwaite")
  list(vcovCL = named(sqrt(diag(vcovCL(m, ~store, type = "HC1")))),
       vcovCL0 = named(sqrt(diag(vcovCL(m, ~store, type = "HC0", cadjust = FALSE)))),
       cr2 = setNames(as.list(t$SE), rownames(t)),
       df = setNames(as.list(if (is.null(t$df_Satt)) t$df else t$df_Satt), rownames(t)),
       p = setNames(as.list(if (is.null(t$p_Satt)) t$p_val else t$p_Satt), rownames(t)),
       lower = setNames(as.list(ci$CI_L), rownames(t)), upper = setNames(as.list(ci$CI_U), rownames(t)))
}
out$clusters <- list(plain = clustered(m, rep(1, nrow(k))), weighted = clustered(mw, 1 / k$w))
alone <- function(m) {
  v <- vcovCR(m, cluster = seq_along(resid(m)), type = "CR2")
  t <- coef_test(m, v, test = "Satterthwaite"); ci <- conf_int(m, v, test = "Satterthwaite")
  list(se = setNames(as.list(t$SE), rownames(t)),
       df = setNames(as.list(if (is.null(t$df_Satt)) t$df else t$df_Satt), rownames(t)),
       p = setNames(as.list(if (is.null(t$p_Satt)) t$p_val else t$p_Satt), rownames(t)),
       lower = setNames(as.list(ci$CI_L), rownames(t)), upper = setNames(as.list(ci$CI_U), rownames(t)))
}
out$alone <- list(responses = alone(m), swiss = alone(lm(Fertility ~ ., swiss)),
  attitude = alone(lm(rating ~ ., attitude)), stackloss = alone(lm(stack.loss ~ ., stackloss)),
  mtcars = alone(lm(mpg ~ wt + hp + qsec + drat, mtcars)))
k$w0 <- ifelse(k$age == "young", 0, k$w); z <- lm(satisfied ~ staff + food + room, k, weights = w0)
g <- suppressWarnings(svyglm(satisfied ~ staff + food + room, svydesign(~1, weights = ~w0, data = k)))
out$zero_weights <- list(df = z$df.residual, sigma = summary(z)$sigma, coef = named(coef(z)), se = named(SE(g)))

# --- Survey ----------------------------------------------------------------------------------
des <- svydesign(ids = ~1, weights = ~w, data = d)
cl <- svydesign(ids = ~store, weights = ~w, data = d)
mean_of <- function(f, design, ...) { s <- svymean(f, design, na.rm = TRUE, ...)
  list(mean = unname(coef(s)), se = as.numeric(SE(s))) }
d$yes <- top(d$satisfied)
des <- update(des, yes = top(satisfied), net = net); cl <- update(cl, yes = top(satisfied))
by_of <- function(f, by, design) { b <- svyby(f, by, design, svymean, na.rm = TRUE)
  setNames(lapply(seq_len(nrow(b)), function(i) list(mean = unname(coef(b)[i]), se = unname(SE(b)[i]))),
           as.character(b[[1]])) }
ratio <- svyratio(~I(churned * spend), ~I(ifelse(is.na(churned), NA, spend)), des, na.rm = TRUE)
v <- svyvar(~spend, des, na.rm = TRUE)
glm <- svyglm(satisfied ~ staff + food + room, des); clglm <- svyglm(satisfied ~ staff + food + room, cl)
fit <- function(g) { s <- coef(summary(g)); ci <- confint(g)
  list(coef = named(s[, 1]), se = named(s[, 2]), p = named(s[, 4]), lower = named(ci[, 1]),
       upper = named(ci[, 2]), df = g$df.residual) }
tt <- function(f, design) { t <- svyttest(f, design)
  list(difference = unname(t$estimate), t = unname(t$statistic), df = unname(t$parameter), p = t$p.value) }
# The error as the formula is printed: residuals on the margins under the weights before, n of the domain.
by_hand <- function(y, s, base, inside = TRUE) {
  w <- weights(s); x <- model.matrix(~age + region, d); u <- !is.na(y) & inside; n <- sum(u)
  e <- ifelse(u, (y - weighted.mean(y[u], w[u])) / sum(w[u]), 0)
  sqrt(n / (n - 1) * sum((w * resid(lm(e ~ x - 1, weights = weights(base))))^2)) }
out$survey <- list(
  satisfied = mean_of(~yes, des), net = mean_of(~net, des), spend = mean_of(~spend, des),
  effort = mean_of(~effort, des),
  satisfied_by = by_of(~yes, ~channel, des), net_by = by_of(~net, ~region, des), spend_by = by_of(~spend, ~age, des),
  spend_sd = unname(sqrt(coef(v))),
  revenue = list(ratio = unname(coef(ratio)), se = as.numeric(SE(ratio))),
  glm = fit(glm), clglm = fit(clglm),
  ttest_net = tt(net ~ age, des), ttest_spend = tt(spend ~ age, des),
  kish = list(deff = with(subset(d, !is.na(satisfied)), length(w) * sum(w^2) / sum(w)^2),
              n = with(subset(d, !is.na(satisfied)), sum(w)^2 / sum(w^2))))
ages <- c(old = 0.45, young = 0.55); regions <- c(east = 0.25, north = 0.35, south = 0.25, west = 0.15)
calibrated <- function(base) {
  whole <- sum(weights(base)); frame <- function(name, s) setNames(data.frame(names(s), whole * s), c(name, "Freq"))
  a <- frame("age", ages); r <- frame("region", regions)
  both <- expand.grid(age = names(ages), region = names(regions))
  both$Freq <- whole * (ages[both$age] * regions[both$region])
  sets <- list(post = postStratify(base, ~age, a), cells = postStratify(base, ~age + region, both),
               rake = rake(base, list(~age, ~region), list(a, r), control = list(maxit = 1000, epsilon = 1e-12)),
               rake_default = rake(base, list(~age, ~region), list(a, r)),
               calibrate = calibrate(base, ~age + region, c(`(Intercept)` = whole, ageyoung = unname(whole * ages[2]),
                 regionnorth = unname(whole * regions[2]), regionsouth = unname(whole * regions[3]),
                 regionwest = unname(whole * regions[4])), calfun = "raking", epsilon = 1e-12, maxit = 200))
  lapply(sets, function(s) c(lapply(list(yes = ~yes, net = ~net, spend = ~spend), mean_of, design = s),
    list(hand = c(yes = by_hand(d$yes, s, base), net = by_hand(d$net, s, base), spend = by_hand(d$spend, s, base),
                  sapply(split(seq_len(nrow(d)), d$channel), function(i) by_hand(d$yes, s, base, seq_len(nrow(d)) %in% i))) |> named(),
    yes_by = by_of(~yes, ~channel, s), net_by = by_of(~net, ~region, s),
    deff = sum(weights(s)^2) * length(weights(s)) / sum(weights(s))^2,
    glm = fit(svyglm(satisfied ~ staff + food + room, s)))))
}
plain <- suppressWarnings(update(svydesign(ids = ~1, data = d, probs = ~1), yes = top(satisfied), net = net))
out$calibrated <- list(declared = calibrated(des), plain = calibrated(plain))

# Functions of totals, by the delta method: all rows that take part, under each weight.
one <- function(s, formula) { z <- svycontrast(s, list(z = formula)); list(value = as.numeric(coef(z)), se = as.numeric(SE(z))) }
combined <- function(weight) {
  d$v <- if (weight) d$w else 1
  g <- d[!is.na(d$net), ]; g$app <- as.integer(g$channel == "app"); g$app_net <- g$app * g$net; g$all <- 1
  s <- svytotal(~net + all + app + app_net, svydesign(~1, weights = ~v, data = g))
  found <- list(impact = one(s, quote(net / all - (net - app_net) / (all - app))))
  keys <- as.vector(outer(c("before", "after"), names(regions), paste0))
  for (key in keys) {
    g[[key]] <- as.integer(paste0(g$period, g$region) == key); g[[paste0("y", key)]] <- g[[key]] * g$net }
  s <- svytotal(reformulate(c(keys, paste0("y", keys))), svydesign(~1, weights = ~v, strata = ~period, data = g))
  total <- function(t, y = "") paste0("(", paste0(y, t, names(regions), collapse = " + "), ")")
  score <- function(t) paste0(total(t, "y"), " / ", total(t)); share <- function(t, r) paste0(t, r, " / ", total(t))
  own <- function(t, r) paste0("y", t, r, " / ", t, r)
  mix <- function(r) sprintf("(%s - %s) * ((%s + %s) / 2 - (%s + %s) / 2)", share("after", r), share("before", r),
    own("after", r), own("before", r), score("after"), score("before"))
  rate <- function(r) sprintf("(%s + %s) / 2 * (%s - %s)", share("after", r), share("before", r), own("after", r), own("before", r))
  said <- function(x) one(s, parse(text = paste(x, collapse = " + "))[[1]])
  found$change <- list(change = said(paste(score("after"), "-", score("before"))), mix = said(sapply(names(regions), mix)),
    rate = said(sapply(names(regions), rate)), mix_east = said(mix("east")), rate_east = said(rate("east")))
  g <- d[!is.na(d$staff) | !is.na(d$food), ]
  g$there_a <- as.integer(!is.na(g$staff)); g$there_b <- as.integer(!is.na(g$food))
  g$a <- ifelse(is.na(g$staff), 0, (g$staff - 1) * 25); g$b <- ifelse(is.na(g$food), 0, (g$food - 1) * 25)
  s <- svytotal(~there_a + there_b + a + b, svydesign(~1, weights = ~v, data = g))
  found$index <- one(s, quote((3 * a / there_a + b / there_b) / 4))
  found$step <- one(s, quote(b / there_b - a / there_a))
  g <- d[which(d$recommend >= 9 & !is.na(d$spend) & !is.na(d$churned)), ]
  s <- svymean(~spend + churned, svydesign(~1, weights = ~v, data = g))
  found$lifetime <- one(s, quote(spend * (1 - churned) / (1.1 - (1 - churned))))
  s <- svymean(~churned, svydesign(~1, weights = ~v, data = d[!is.na(d$churned), ]))
  found$churn <- one(s, quote(100 * (1 - (1 - churned)^12)))
  found }
out$combined <- list(declared = combined(TRUE), none = combined(FALSE))

# --- Reliability -----------------------------------------------------------------------------
items <- c("satisfied", "staff", "food", "room")
alphas <- function(x, ...) { a <- suppressWarnings(psych::alpha(x, ...)); t <- a$total
  list(raw = t$raw_alpha, std = t$std.alpha, r = t$average_r, ase = t$ase,
       r_drop = setNames(as.list(a$item.stats$r.drop), rownames(a$item.stats)),
       drop = setNames(as.list(a$alpha.drop$raw_alpha), colnames(x)),
       feldt = as.numeric(c(a$feldt$lower.ci, a$feldt$upper.ci)),
       mean = setNames(as.list(a$item.stats$mean), rownames(a$item.stats)),
       sd = setNames(as.list(a$item.stats$sd), rownames(a$item.stats))) }
omega <- function(x) { l <- abs(as.vector(fa(x, 1, fm = "minres", min.err = 1e-12)$loadings))
  list(loadings = setNames(as.list(l), colnames(x)), omega = sum(l)^2 / (sum(l)^2 + sum(1 - l^2)),
  total = suppressMessages(suppressWarnings(psych::omega(x, nfactors = 1, plot = FALSE)$omega.tot))) }
out$alpha <- list(listwise = alphas(na.omit(d[, items])), pairwise = alphas(d[, items]),
                  attitude = alphas(attitude))
out$omega <- list(listwise = omega(na.omit(d[, items])), attitude = omega(attitude))

# --- Survival --------------------------------------------------------------------------------
km <- function(time, status, type, level = 0.95) {
  s <- summary(survfit(Surv(time, status) ~ 1, conf.type = type, conf.int = level), censored = TRUE)
  list(time = s$time, n = s$n.risk, event = s$n.event, survival = s$surv, se = s$std.err,
       lower = s$lower, upper = s$upper, median = unname(s$table["median"])) }
set.seed(9); time <- sample(1:9, 80, TRUE); status <- as.integer(runif(80) < 0.55)
time <- c(time, 10, 10); status <- c(status, 1, 1)
lost <- as.vector(table(factor(time[status == 1], 1:10))); censored <- as.vector(table(factor(time[status == 0], 1:10)))
out$km <- list(lost = lost, censored = censored,
  log = km(time, status, "log"), log_log = km(time, status, "log-log"), plain = km(time, status, "plain"),
  aml = with(subset(aml, x == "Maintained"), list(time = time, status = status, log = km(time, status, "log"),
    log_log = km(time, status, "log-log"))),
  flat = km(rep(c(1, 3), each = 5), rep(1, 10), "log"))

# --- Charts, links between questions ----------------------------------------------------------
base <- table(factor(sign(d$net), -1:1)); centre <- mean(d$net, na.rm = TRUE)
buckets <- split(d$net, d$month); sizes <- sapply(buckets, function(x) sum(!is.na(x)))
scores <- sapply(buckets, mean, na.rm = TRUE); v0 <- mean((d$net - centre)^2, na.rm = TRUE)
smooth <- Reduce(function(z, x) 0.2 * x + 0.8 * z, scores, centre, accumulate = TRUE)[-1]
reach <- sapply(seq_along(sizes), function(t) 3 * sqrt(v0 * sum(0.04 * 0.64^(t - seq_len(t)) / sizes[seq_len(t)])))
out$chart <- list(centre = centre, sd = sqrt(v0), ewma = unname(smooth), reach = reach, limit = unname(3 * sqrt(v0 / sizes)),
  months = lapply(buckets, function(x) {
    x <- x[!is.na(x)]; q <- suppressWarnings(chisq.test(as.vector(table(factor(sign(x), -1:1))), p = as.vector(base / sum(base))))
    list(n = length(x), score = mean(x), chi2 = unname(q$statistic), p = q$p.value) }))
part <- function(t) { g <- d[d$period == t & !is.na(d$net), ]; list(s = prop.table(table(g$region)), y = tapply(g$net, g$region, mean)) }
p0 <- part("before"); p1 <- part("after")
rate <- as.vector((p0$s + p1$s) / 2 * (p1$y - p0$y))
whole <- c(sum(p0$s * p0$y), sum(p1$s * p1$y)); mix <- as.vector((p1$s - p0$s) * ((p0$y + p1$y) / 2 - mean(whole)))
out$kitagawa <- list(change = diff(whole), mix = setNames(as.list(mix), names(p0$s)), rate = setNames(as.list(rate), names(p0$s)))
slope <- function(y, x) { s <- coef(summary(lm(d[[y]] ~ d[[x]]))); list(slope = s[2, 1], se = s[2, 2], t = s[2, 3], p = s[2, 4],
  r = cor(d[[y]], d[[x]], use = "complete.obs"), cor_interval = bounds(cor.test(d[[y]], d[[x]])$conf.int)) }
out$pairs <- list(staff = slope("satisfied", "staff"), food = slope("satisfied", "food"), room = slope("satisfied", "room"))
class <- ifelse(d$recommend >= 9, "promoter", ifelse(d$recommend >= 7, "passive", "detractor"))
out$linkage <- list(spend = lapply(split(d$spend, class), function(x) { t <- t.test(x)
    list(mean = unname(t$estimate), interval = bounds(t$conf.int)) }),
  move = welch(d$spend[which(class == "promoter")], d$spend[which(class == "detractor")]))
write_json(out, "figures.json", digits = I(15), auto_unbox = TRUE, na = "null", pretty = 1)
