{#-
    Equation 7 of Fader and Hardie, "Computing P(alive) using the BG/NBD model". A buyer stops only after a repeat purchase, so one
    without any is alive. The odds of thousands of purchases in a row leave the range of a double, hence the limit.
-#}
{% macro probability_alive(histories, models) -%}
case
    when {{ models }}.r is null then null
    when {{ histories }}.repeat_days = 0 then 1.0
    else 1 / (1 + exp(least(
        ln({{ models }}.a / ({{ models }}.b + {{ histories }}.repeat_days - 1))
        + ({{ models }}.r + {{ histories }}.repeat_days) * ln(
            ({{ models }}.alpha + {{ histories }}.age_days / 7) / ({{ models }}.alpha + {{ histories }}.active_days / 7)
        ),
        690
    )))
end
{%- endmacro %}
