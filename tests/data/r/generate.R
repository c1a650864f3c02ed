# Writes responses.csv, made-up answers with gaps, weights and clusters, and the data sets built into R
# that figures.R asks about.
RNGversion("4.2.0")
set.seed(20260501)
n <- 360
store <- sample(1:15, n, replace = TRUE, prob = 15:1)
mood <- rnorm(n) + 0.6 * rnorm(15)[store]
scale_of <- function(centre, spread, low, high)
  pmin(pmax(round(centre + spread * mood + spread * rnorm(n)), low), high)
d <- data.frame(
  recommend = scale_of(7.8, 1.6, 0, 10),
  satisfied = scale_of(3.6, 0.7, 1, 5),
  staff = scale_of(3.9, 0.6, 1, 5),
  food = scale_of(3.2, 0.8, 1, 5),
  room = scale_of(2.8, 0.7, 1, 5),
  effort = scale_of(5, 1, 1, 7),
  spend = round(exp(3 + 0.3 * mood + 0.5 * rnorm(n)), 2),
  churned = as.integer(runif(n) < plogis(-1 - 0.8 * mood)),
  channel = sample(c("app", "shop", "web"), n, replace = TRUE, prob = c(0.3, 0.45, 0.25)),
  region = sample(c("east", "north", "south", "west"), n, replace = TRUE, prob = 4:1),
  age = sample(c("old", "young"), n, replace = TRUE, prob = c(0.6, 0.4)),
  store = paste0("s", store),
  period = sample(c("after", "before"), n, replace = TRUE),
  month = sample(1:6, n, replace = TRUE, prob = c(3, 4, 5, 6, 4, 2)),
  w = sample(1:16, n, replace = TRUE) / 4
)
for (name in c("recommend", "satisfied", "staff", "food", "room", "effort", "spend", "churned"))
  d[runif(n) < 0.04, name] <- NA
write.csv(d, "responses.csv", row.names = FALSE, na = "", quote = FALSE)

for (name in c("mtcars", "swiss", "attitude", "airquality", "ToothGrowth", "stackloss"))
  write.csv(get(name), paste0(name, ".csv"), row.names = FALSE, na = "", quote = FALSE)
