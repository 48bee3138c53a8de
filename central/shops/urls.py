"""Addresses of shops. What begins with `s/` stands on doors: it is short and stays as it is."""

from django.urls import path

from central.shops import deciding_views, merchant_views, public_views, round_views, staff_views

app_name = "shops"
urlpatterns = [
    path("s/<str:token>", public_views.page, name="page"),
    path("s/<str:token>/rate", public_views.rate, name="rate"),
    path("s/<str:token>/tip-off", public_views.tip_off, name="tip-off"),
    path("s/<str:token>/owner/", merchant_views.desk, name="owner"),
    path("s/<str:token>/owner/code", merchant_views.code, name="owner-code"),
    path("s/<str:token>/owner/enter", merchant_views.enter, name="owner-enter"),
    path("s/<str:token>/owner/leave", merchant_views.leave, name="owner-leave"),
    path("s/<str:token>/owner/inspection", merchant_views.inspection, name="owner-inspect"),
    path("s/<str:token>/owner/mend/<int:number>", merchant_views.mend, name="owner-mend"),
    path("s/<str:token>/owner/paper", merchant_views.paper, name="owner-paper"),
    path("s/<str:token>/owner/appeal", merchant_views.appeal, name="owner-appeal"),
    path("s/<str:token>/owner/photo/<int:number>", merchant_views.photo, name="owner-photo"),
    path("shops/", staff_views.worklist, name="list"),
    path("shops/import/", staff_views.import_, name="import"),
    path("shops/plates.pdf", staff_views.plates, name="plates"),
    path("shops/round/", round_views.round_, name="round"),
    path("shops/remind/", deciding_views.remind, name="remind"),
    path("shops/<int:shop_id>/", staff_views.detail, name="shop"),
    path("shops/<int:shop_id>/inspect/", staff_views.inspect, name="inspect"),
    path("shops/<int:shop_id>/plate.svg", staff_views.plate, name="plate"),
    path("shops/<int:shop_id>/code/", deciding_views.code, name="code"),
    path("shops/<int:shop_id>/pictures/<int:number>/", staff_views.photo, name="photo"),
    path("shops/<int:shop_id>/findings/<int:number>/", deciding_views.finding, name="finding"),
    path("shops/<int:shop_id>/tip-offs/<int:number>/", deciding_views.tip_off, name="decide-tip-off"),
    path("shops/<int:shop_id>/appeals/<int:number>/", deciding_views.appeal, name="decide-appeal"),
]
